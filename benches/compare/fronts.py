"""The servers that use TLS, and the servers that pass requests on to another server."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from servers import OURS, Server

REVERSE_PROXY = "reverse_proxy"

HAPROXY = """
global
    maxconn {connections}
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    http-reuse always
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server upstream 127.0.0.1:{upstream}
"""


def certificate(folder: Path) -> tuple[Path, Path]:
    """Makes a certificate with an ECDSA P-256 key, and returns the paths of both."""
    cert, key, both = folder / "tls.pem", folder / "tls.key", folder / "tls.both"
    command = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    for path in (key, both):
        path.chmod(0o644)
    return cert, key


def tls_servers(servers: Sequence[Server], cert: Path, key: Path) -> list[Server]:
    """The servers that support TLS, with this certificate. Sessions are resumed by tickets if the client requests
    it."""
    lighttpd = f'server.modules = ( "mod_openssl" )\nssl.engine = "enable"\nssl.pemfile = "{cert.with_suffix(".both")}"'
    nginx = {"ssl": "ssl", "more": f"ssl_certificate {cert}; ssl_certificate_key {key};"}
    told = {
        OURS: (["--tls-cert", str(cert), "--tls-key", str(key)], {}),
        "nginx": ([], nginx),
        "lighttpd": ([], {"more": lighttpd}),
    }
    return [server.with_more(told[server.name][0], **told[server.name][1]) for server in servers if server.name in told]


def proxies(servers: Sequence[Server], upstream: int) -> list[Server]:
    """Proxies in front of the server at this port, to which they keep their connections open."""
    by_name = {server.name: server for server in servers}
    found = []
    if ours := by_name.get(OURS):
        program = Path(ours.program).parent / "examples" / REVERSE_PROXY
        found.append(Server(REVERSE_PROXY, str(program), ["127.0.0.1:{port}", f"127.0.0.1:{upstream}"]))
    if nginx := by_name.get("nginx"):
        group = f"upstream up {{{{ server 127.0.0.1:{upstream}; keepalive 64; }}}}"
        place = 'location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; }}'
        found.append(nginx.with_more(more=group, locations=place))
    found.append(
        Server(
            "haproxy", "haproxy", ["-f", "{config}"], HAPROXY, ["-v"], {"upstream": str(upstream), "connections": "4000"}
        )
    )
    return [server for server in found if server.path()]

