"""An RTSP server that takes streams in (ANNOUNCE, RECORD), run by the system's Python: PORT FILE [USER PASSWORD].

What comes in at /door is written to FILE as an H.264 byte stream. Prints a line for every step of its clients.
"""

from __future__ import annotations

import sys

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found]  # noqa: E402

Gst.init(None)
port, path, *account = sys.argv[1:]
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
factory = GstRtspServer.RTSPMediaFactory()
factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
factory.set_latency(50)
factory.set_launch(
    "( rtph264depay name=depay0 ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au "
    f"! filesink location={path} buffer-mode=unbuffered sync=false async=false )"
)
if account:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*account), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(permissions)
server.get_mount_points().add_factory("/door", factory)


def tell(step: str) -> None:
    sys.stdout.write(step + "\n")
    sys.stdout.flush()


def connected(_server: object, client: GstRtspServer.RTSPClient) -> None:
    tell("connected")
    client.connect("announce-request", lambda *_: tell("announce"))
    client.connect("record-request", lambda *_: tell("record"))
    client.connect("teardown-request", lambda *_: tell("teardown"))
    client.connect("closed", lambda *_: tell("closed"))


server.connect("client-connected", connected)
if server.attach(None) == 0:
    sys.exit("the port is taken")
tell("ready")
GLib.MainLoop().run()
