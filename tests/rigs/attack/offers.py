"""A valid WebRTC offer."""

from __future__ import annotations

from aiortc import RTCConfiguration, RTCPeerConnection


async def an_offer() -> str:
    """The SDP of a valid offer."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        peer.addTransceiver("video", "recvonly")
        await peer.setLocalDescription(await peer.createOffer())
        return peer.localDescription.sdp
    finally:
        await peer.close()
