"""WebRTC (WHEP), the preview page, health checks and metrics."""
