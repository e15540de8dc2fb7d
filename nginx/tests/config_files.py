"""What the files of the configuration say, without running them: Cloudflare's networks, the script that writes them, and what nginx
must not do here."""

import ipaddress
import pathlib
import re
import shutil
import subprocess
import tempfile

NGINX = pathlib.Path(__file__).resolve().parent.parent
FORBIDDEN = ("proxy_cache_path", "proxy_cache_valid", "auth_request", "js_import", "stub_status", "proxy_add_x_forwarded_for", "non_idempotent",
             "$request_uri\"", "$args", "$http_referer", "$http_authorization", "$request\"")


def statements(path):
    """The file without comments."""
    return re.sub(r"^\s*#.*$", "", path.read_text(), flags=re.M)


def networks(text):
    return [ipaddress.ip_network(network) for network in re.findall(r"^set_real_ip_from (\S+);$", text, re.M)]


def updated(v4, v6):
    """What update-cloudflare makes of two published lists: exit code and file."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        (root / "snippets").mkdir()
        shutil.copy(NGINX / "update-cloudflare", root)
        (root / "ips-v4").write_text(v4)
        (root / "ips-v6").write_text(v6)
        done = subprocess.run([root / "update-cloudflare", root], capture_output=True, text=True, timeout=30)
        left = sorted(path.name for path in (root / "snippets").iterdir())
        assert left == (["cloudflare.conf"] if done.returncode == 0 else []), f"update-cloudflare left {left}"
        return done.returncode, (root / "snippets" / "cloudflare.conf").read_text() if done.returncode == 0 else done.stderr


def check():
    committed = (NGINX / "snippets" / "cloudflare.conf").read_text()
    ours = networks(committed)
    v4, v6 = ([str(n) for n in ours if n.version == version] for version in (4, 6))
    assert len(v4) >= 10 and len(v6) >= 5, f"Cloudflare's list lacks a family: {len(v4)} IPv4, {len(v6)} IPv6"
    assert not [n for n in ours if n.is_private or n.is_loopback], "Cloudflare's list holds private networks"
    assert len(set(ours)) == len(ours) == committed.count("set_real_ip_from "), "Cloudflare's list holds doubles or rubbish"

    text4, text6 = "\n".join(v4) + "\n", "\r\n".join(v6)
    code, written = updated(text4, text6)
    assert (code, written) == (0, committed), f"update-cloudflare does not write the committed file: {written}"
    for name, lists in {
        "no IPv6": (text4, ""), "no IPv4": ("\n", text6), "everybody": (text4 + "0.0.0.0/0\n", text6), "all of IPv6": (text4, text6 + "\n::/0\n"),
        "a page": (text4, "<html>\n" * 9), "a directive": (text4 + "1.2.3.0/24; allow all\n", text6), "families mixed up": (text6, text4),
    }.items():
        code, said = updated(*lists)
        assert code == 1 and "update-cloudflare:" in said, f"update-cloudflare takes a list with {name}"

    for path in (NGINX / "nginx.conf", *sorted((NGINX / "snippets").iterdir())):
        text = statements(path)
        assert path.read_text().startswith("# "), f"{path.name} does not say what it is"
        found = [word for word in FORBIDDEN if word in text]
        assert not found, f"{path.name} holds {found}"
    assert "api.example.com" not in statements(NGINX / "nginx.conf"), "the name is said twice"
    print(f"ok      config files: {len(v4)} IPv4 and {len(v6)} IPv6 networks of Cloudflare")
