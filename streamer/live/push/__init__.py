"""Publishing a stream to another RTSP server."""
