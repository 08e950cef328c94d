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
    chain, key = _certificates()
    info = c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain.encode(), key.encode(), None)
    action = {"action": "c2pa.created", "softwareAgent": {"name": "Made-up Generator 3"}, "digitalSourceType": TRAINED}
    manifest = {
        "claim_generator_info": [{"name": "telltale-tests", "version": "1"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    signed = io.BytesIO()
    with c2pa.Signer.from_info(info) as signer:
        c2pa.Builder(json.dumps(manifest)).sign(signer, mime, io.BytesIO(data), signed)
    return signed.getvalue()


def _certificates():
    """A certificate with its authority's, and its key, as PEM."""
    now, made = datetime.datetime.now(datetime.UTC), []
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    pairs = [((NameOID.COMMON_NAME, name), (NameOID.ORGANIZATION_NAME, "Tests")) for name in ("Authority", SIGNER)]
    names = [x509.Name([x509.NameAttribute(*pair) for pair in of]) for of in pairs]
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only")
    usage = dict.fromkeys((*others, "decipher_only"), False)
    for is_signer in (False, True):
        own = keys[is_signer].public_key()
        extensions = [
            (x509.BasicConstraints(ca=not is_signer, path_length=None), True),
            (x509.KeyUsage(digital_signature=is_signer, key_cert_sign=not is_signer, crl_sign=False, **usage), True),
            (x509.SubjectKeyIdentifier.from_public_key(own), False),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False),
        ]
        builder = x509.CertificateBuilder(names[0], names[is_signer], own, x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=30))
        for extension, critical in extensions[: 5 if is_signer else 4]:
            builder = builder.add_extension(extension, critical=critical)
        made.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode())
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made[1] + made[0], keys[1].private_bytes(*pem).decode()
