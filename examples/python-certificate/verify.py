"""Verifies the certificate of a decision, without Quell: whoever is shown one can do the same.

    verify.py CERTIFICATE JWKS [--subject TYPE=VALUE --subject-key KEY]

JWKS is what the gate answers at /.well-known/jwks.json. Prints what the certificate says, or ends with 1 and the reason.
"""

import argparse
import hashlib
import hmac
import json
import pathlib
import sys

import jwt


def verified(certificate, jwks):
    """What a certificate says, if a key of the set has signed it."""
    header = jwt.get_unverified_header(certificate)
    if header.get("typ") != "quell-decision+jwt":
        raise jwt.InvalidTokenError("it is not a decision's certificate")
    key = jwt.PyJWKSet.from_json(jwks)[header["kid"]]
    # The algorithm is ours to choose, not the header's.
    return jwt.decode(certificate, key, algorithms=["EdDSA"])


def is_about(claims, subject, subject_key):
    """Whether a certificate is about an identifier such as account_id:a-1."""
    if not claims.get("sub", "").startswith("hmac-sha256:"):
        return claims.get("sub") == subject
    hashed = hmac.new(bytes.fromhex(subject_key), subject.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(claims["sub"], f"hmac-sha256:{hashed}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("certificate", type=pathlib.Path)
    parser.add_argument("jwks", type=pathlib.Path)
    parser.add_argument("--subject", metavar="TYPE=VALUE")
    parser.add_argument("--subject-key", default="")
    asked = parser.parse_args()
    try:
        claims = verified(asked.certificate.read_text().strip(), asked.jwks.read_text())
    except (jwt.PyJWTError, KeyError) as error:
        sys.exit(f"the certificate proves nothing: {error}")
    if asked.subject and not is_about(claims, asked.subject.replace("=", ":", 1), asked.subject_key):
        sys.exit(f"the certificate is not about {asked.subject}")
    print(json.dumps(claims, indent=2, sort_keys=True))


if __name__ == "__main__":
    main()
