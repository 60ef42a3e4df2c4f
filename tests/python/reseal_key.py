"""Seals the session key of a recorded conversation for another client: reseal_key.py TESTS PUBLIC SEALED

TESTS: the file of pypsrp's tests with the function that makes their one key pair
PUBLIC: the PublicKey of the client that is to have the session key
SEALED: the EncryptedSessionKey that was recorded
Prints the EncryptedSessionKey for that client.
"""

import ast
import base64
import sys

from cryptography.hazmat.primitives.asymmetric import padding, rsa

# What CryptoAPI puts before the numbers, which begin with their least significant byte.
PUBLIC_HEAD = 16
SEALED_HEAD = 12


def recorded_key(path):
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    wanted = [node for node in tree.body if getattr(node, "name", None) == "gen_rsa_keypair"]
    names = {"rsa": rsa}
    exec(compile(ast.Module(wanted, []), path, "exec"), names)
    return names["gen_rsa_keypair"](65537, 2048)


tests, public, sealed = sys.argv[1], base64.b64decode(sys.argv[2]), base64.b64decode(sys.argv[3])
numbers = public[PUBLIC_HEAD:]
client = rsa.RSAPublicNumbers(
    int.from_bytes(numbers[:4], "little"), int.from_bytes(numbers[4:], "little")
).public_key()
key = recorded_key(tests).decrypt(sealed[SEALED_HEAD:][::-1], padding.PKCS1v15())
again = client.encrypt(key, padding.PKCS1v15())[::-1]
print(base64.b64encode(sealed[:SEALED_HEAD] + again).decode())
