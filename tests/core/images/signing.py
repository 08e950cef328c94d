"""Signs pictures with Content Credentials by a certificate that is made here."""

import datetime
import io
import json

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SIGNER = "Test Signer"
TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def sign(data, mime):
    """The same picture, signed by "Test Signer" as newly made."""
    chain, key = _certificate()
    info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain, key, None)
    action = {"action": "c2pa.created", "softwareAgent": {"name": "Made-up Generator 3"}, "digitalSourceType": TRAINED}
    manifest = {
        "claim_generator_info": [{"name": "telltale-tests", "version": "1"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    signed = io.BytesIO()
    with c2pa.Signer.from_info(info) as signer:
        c2pa.Builder(json.dumps(manifest)).sign(signer, mime, io.BytesIO(data), signed)
    return signed.getvalue()


def _certificate():
    """A certificate, signed by an authority that is not in it, and its key, as PEM."""
    now = datetime.datetime.now(datetime.UTC)
    authority = ec.generate_private_key(ec.SECP256R1())
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority")])
    attributes = {NameOID.COMMON_NAME: SIGNER, NameOID.ORGANIZATION_NAME: "Tests"}
    subject = x509.Name([x509.NameAttribute(*pair) for pair in attributes.items()])
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=30))
    # it may sign, and nothing else
    usage = x509.KeyUsage(True, *[False] * 8)
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    pem = serialization.Encoding.PEM
    chain = builder.sign(authority, hashes.SHA256()).public_bytes(pem)
    return chain, key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
