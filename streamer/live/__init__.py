"""Live streams: a camera in, masked RTSP, WebRTC and recordings out."""
