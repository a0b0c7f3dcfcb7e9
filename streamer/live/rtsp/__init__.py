"""The RTSP server."""
