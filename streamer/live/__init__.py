"""Live streams: cameras in; masked RTSP, WebRTC, recordings and pushes out."""
