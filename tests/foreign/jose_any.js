/**
 * Shows the same trap as jws_any.py with npm's jose: jose_any.js DOCUMENT JWKS.
 * The last signature of DOCUMENT is spoiled already, and generalVerify accepts it.
 */
"use strict";

const fs = require("node:fs");

async function main(document, jwks) {
  const jose = await import(require.resolve("jose"));
  const jws = JSON.parse(fs.readFileSync(document));
  const { keys } = JSON.parse(fs.readFileSync(jwks));
  const find = async ({ kid }) => {
    const { kty, crv, x } = keys.find((each) => each.kid === kid);
    return jose.importJWK({ kty, crv, x }, "Ed25519");
  };
  await jose.generalVerify(jws, find, { algorithms: ["Ed25519"] });
  console.log("accepted, one signature spoiled");
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
});
