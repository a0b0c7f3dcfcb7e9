"""Publishes a stream to another RTSP server."""
