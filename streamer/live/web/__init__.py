"""WebRTC (WHEP), the preview page, and the pages for monitoring."""
