"""Self-signed serving certificates for the sandbox's own TLS endpoints (API server and kubelet).

Decides which names and addresses a certificate is good for. Never writes to disk and never signs for anybody else: each
certificate is its own authority, so whoever trusts it trusts one process of this machine and nothing more.
"""

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=365)


def self_signed(common_name: str, addresses: Iterable[str]) -> tuple[bytes, bytes]:
    """A certificate valid for a year from five minutes ago, and its key, both PEM.

    ``addresses`` holds host names and IP addresses; they become subject alternative names.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _unsigned(common_name, addresses, key.public_key()).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _unsigned(
    common_name: str, addresses: Iterable[str], public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    # Clocks of a machine and its containers differ a little; a certificate from the future is refused.
    start = datetime.now(UTC) - timedelta(minutes=5)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_alternative(address) for address in addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )


def _key_usage() -> x509.KeyUsage:
    """Signs handshakes and itself: Python's strict verification wants both said (3.13's default)."""
    wanted = dict.fromkeys(("digital_signature", "key_cert_sign"), True)
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
    return x509.KeyUsage(**wanted, **dict.fromkeys((*others, "encipher_only", "decipher_only"), False))


def _alternative(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)
