"""Certificates made by the openssl program, and connections over TLS."""
import ssl
import subprocess
from pathlib import Path

from lib.resp import Connection


def openssl(*args, stdin=None):
    return subprocess.run(["openssl", *map(str, args)], check=True, input=stdin, capture_output=True).stdout


class Authority:
    """An authority of its own folder; certificates are EC P-256 unless said otherwise."""

    def __init__(self, folder, name="authority"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name, self.serial = name, 0
        self.key(name)
        openssl("req", "-x509", "-new", "-key", self.path(name, "key"), "-subj", f"/CN={name}", "-days", 3650,
                "-out", self.ca)

    def path(self, name, kind):
        return self.folder / f"{name}.{kind}"

    @property
    def ca(self):
        return self.path(self.name, "crt")

    def key(self, name, rsa=False):
        algorithm = ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if rsa else ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        openssl("genpkey", "-algorithm", *algorithm, "-out", self.path(name, "key"))

    def issue(self, name, subject=None, rsa=False):
        """Writes name.key and name.crt; returns their paths."""
        self.serial += 1
        self.key(name, rsa)
        request = openssl("req", "-new", "-key", self.path(name, "key"), "-subj", subject or f"/O=Test/CN={name}")
        openssl("x509", "-req", "-CA", self.ca, "-CAkey", self.path(self.name, "key"), "-set_serial", self.serial,
                "-days", 3650, "-out", self.path(name, "crt"), stdin=request)
        return self.path(name, "crt"), self.path(name, "key")

    def server(self, name="server", **more):
        """Directives of a server with a certificate of this authority."""
        if not self.path(name, "crt").exists():
            self.issue(name)
        return {"tls_cert_file": self.path(name, "crt"), "tls_key_file": self.path(name, "key"),
                "tls_ca_cert_file": self.ca, **more}

    def context(self, name=None, version=None):
        """Of a client that trusts this authority, with a certificate if it is named."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.ca)
        if version:
            context.minimum_version = context.maximum_version = version
        if name:
            if not self.path(name, "crt").exists():
                self.issue(name)
            context.load_cert_chain(self.path(name, "crt"), self.path(name, "key"))
        return context


class TlsConnection(Connection):
    """The handshake is over when it is made. `first`: bytes in front of it."""

    def __init__(self, port, context, timeout=20, first=b"", session=None):
        super().__init__(port, timeout)
        self.plain = self.sock
        if first:
            self.sock.sendall(first)
        self.sock = context.wrap_socket(self.sock, session=session)

    def certificate(self):
        """The common name of the server's certificate."""
        return dict(item[0] for item in self.sock.getpeercert()["subject"])["commonName"]
