"""nginx with nchan: one worker, and a buffer as large as sse_server's default."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.load.certificate import write_certificate
from bench.load.descriptors import max_descriptors
from bench.load.request import get_stream, post
from bench.load.subjects.base import Subject, said

_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
"""Where Debian's libnginx-mod-nchan puts it."""

_CONFIGURATION = """\
load_module {module};
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile {descriptors};
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    nchan_shared_memory_size 1024M;
    nchan_message_buffer_length 10000;
    nchan_message_timeout 5m;
    server {{
{listens}
        location ~ ^/publish/(\\w+)$ {{
            nchan_publisher;
            nchan_channel_id $1;
        }}
        location ~ ^/subscribe/(\\w+)$ {{
            nchan_subscriber eventsource;
            nchan_channel_id $1;
            nchan_subscriber_first_message newest;
            nchan_eventsource_ping_interval 15;
            nchan_eventsource_ping_event "";
            nchan_eventsource_ping_comment ping;
        }}
        location ~ ^/several/([\\w,]+)$ {{
            nchan_subscriber eventsource;
            nchan_channel_id $1;
            nchan_channel_id_split_delimiter ",";
            nchan_subscriber_first_message newest;
            nchan_eventsource_ping_interval 15;
            nchan_eventsource_ping_event "";
            nchan_eventsource_ping_comment ping;
        }}
        location ~ ^/replay/(\\w+)$ {{
            nchan_subscriber eventsource;
            nchan_channel_id $1;
            nchan_subscriber_first_message oldest;
        }}
    }}
}}
"""


_LISTEN = "        listen 127.0.0.1:{port} {kinds} backlog=4096;\n"


def _nginx() -> str | None:
    """Where nginx is; Debian keeps it where the PATH of an ordinary user does not look."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


class Nchan:
    """nginx + nchan; a heartbeat every 15 s, as sse_server has."""

    name = "nchan"
    replays = True
    batches = False
    drains = True
    http2_after: int | None = 1
    tls = False
    stall_timeout_seconds: float | None = None

    def missing(self) -> str | None:
        if _nginx() is None or not _MODULE.exists():
            return "nginx with nchan is not installed: apt-get install nginx libnginx-mod-nchan"
        return None

    def secured(self) -> Subject | None:
        return SecuredNchan()

    def version(self) -> str:
        nginx = re.sub(r".*nginx/", "", said(_nginx() or "nginx", "-v"))
        package = shutil.which("dpkg-query")
        nchan = "?"
        if package is not None:
            nchan = said(package, "-W", "-f=${Version}", "libnginx-mod-nchan")
        return f"nginx {nginx}, nchan {nchan}"

    def command(self, port: int, folder: Path) -> list[str]:
        descriptors = max_descriptors()
        path = folder / "nginx.conf"
        path.write_text(
            _CONFIGURATION.format(
                module=_MODULE,
                # Started by root, nginx gives its worker away to a user who cannot read the folder.
                user="user root;" if os.geteuid() == 0 else "",
                folder=folder,
                listens=self._listens(port, folder),
                descriptors=descriptors,
                # With less than a sixteenth of them free, nginx closes those that have just come.
                connections=descriptors * 2,
            )
        )
        return [_nginx() or "nginx", "-p", str(folder), "-c", str(path), "-e", "stderr"]

    def _listens(self, port: int, folder: Path) -> str:
        """In clear this nginx has a port for each version of HTTP."""
        return _LISTEN.format(port=port, kinds="") + _LISTEN.format(port=port + 1, kinds="http2")

    def subscribe_request(self, *channels: str, replay: bool = False) -> bytes:
        if len(channels) > 1:
            return get_stream(f"/several/{','.join(channels)}")
        return get_stream(f"/{'replay' if replay else 'subscribe'}/{channels[0]}")

    def publish_request(self, channel: str, data: bytes) -> bytes:
        return post(f"/publish/{channel}", data)

    def batch_request(self, events: Sequence[tuple[str, bytes]]) -> bytes:
        raise ValueError("nchan takes one event at a time")


class SecuredNchan(Nchan):
    """The same with a certificate."""

    http2_after: int | None = 0
    tls = True

    def _listens(self, port: int, folder: Path) -> str:
        cert, key = write_certificate(folder)
        certificate = f"        ssl_certificate {cert};\n        ssl_certificate_key {key};\n"
        return _LISTEN.format(port=port, kinds="ssl http2") + certificate
