/**
 * Verifies a General JWS with npm's jose: jose.js DOCUMENT JWKS [--tamper].
 *
 * The library is content with any one good signature, so each is verified by itself, with the
 * key that its kid names; `--tamper` spoils the last one, which must then be refused.
 */
"use strict";

const fs = require("node:fs");

async function main(document, jwks) {
  // The package is an ES module: older versions of Node can only import it.
  const jose = await import(require.resolve("jose"));
  const { payload, signatures } = JSON.parse(fs.readFileSync(document));
  const { keys } = JSON.parse(fs.readFileSync(jwks));
  if (process.argv.includes("--tamper")) {
    const last = signatures.at(-1);
    last.signature = (last.signature[0] === "B" ? "C" : "B") + last.signature.slice(1);
  }
  if (signatures.length === 0) throw new Error("nobody has signed");
  for (const signature of signatures) {
    const { kid } = jose.decodeProtectedHeader(signature);
    const key = keys.find((each) => each.kid === kid);
    const { kty, crv, x } = key;
    const imported = await jose.importJWK({ kty, crv, x }, "Ed25519");
    await jose.flattenedVerify({ payload, ...signature }, imported, { algorithms: ["Ed25519"] });
  }
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
});
