"""A camera on this machine: serves a recording over RTSP, to the user `camera` with the password given, until it is killed.

    python3 rtsp_server.py FILE PORT PASSWORD

Needs GStreamer's RTSP server (Debian: gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good, -bad). Prints a line when it listens.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

file, port, password = sys.argv[1:4]
Gst.init(None)

factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(f'( filesrc location="{file}" ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 )')
allowed = GstRtspServer.RTSPPermissions()
allowed.add_permission_for_role("camera", "media.factory.access", True)
allowed.add_permission_for_role("camera", "media.factory.construct", True)
factory.set_permissions(allowed)

token = GstRtspServer.RTSPToken()
token.set_string("media.factory.role", "camera")
auth = GstRtspServer.RTSPAuth()
auth.add_basic(GstRtspServer.RTSPAuth.make_basic("camera", password), token)

server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
server.set_auth(auth)
server.get_mount_points().add_factory("/stream1", factory)
if not server.attach(None):
    sys.exit("cannot listen")
print("listening", flush=True)
GLib.MainLoop().run()
