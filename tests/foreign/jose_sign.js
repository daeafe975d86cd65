/**
 * Signs a document as a General JWS with npm's jose, beside the signatures there:
 * jose_sign.js FILE KEY PARTY ROLE OUT. As jws_sign.py does it.
 */
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");

const TYPES = {
  adheres_to: "tallygate-adherence+json",
  controllers: "tallygate-root-policy+json",
  revokes: "tallygate-revocation+json",
};

/** Sorted members without spaces: RFC 8785 for text, whole numbers and truth values. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

async function main(file, keyFile, party, role, out) {
  const jose = await import(require.resolve("jose"));
  let value = JSON.parse(fs.readFileSync(file));
  if (value.payload === undefined) {
    value = { payload: Buffer.from(canonical(value)).toString("base64url"), signatures: [] };
  }
  const payload = Buffer.from(value.payload, "base64url");
  const document = JSON.parse(payload);
  const member = Object.keys(TYPES).find((name) => name in document);
  const pem = fs.readFileSync(keyFile, "utf8");
  const key = await jose.importPKCS8(pem, "Ed25519");
  const { kty, crv, x } = crypto.createPublicKey(pem).export({ format: "jwk" });
  const header = {
    alg: "Ed25519",
    typ: TYPES[member] ?? "tallygate-protocol+json",
    kid: await jose.calculateJwkThumbprint({ kty, crv, x }),
    party,
    role,
    iat: Math.floor(Date.now() / 1000),
  };
  const made = await new jose.GeneralSign(payload)
    .addSignature(key)
    .setProtectedHeader(header)
    .sign();
  value.signatures.push(made.signatures[0]);
  fs.writeFileSync(out, JSON.stringify(value));
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
});
