/**
 * Prints an area's card as card.py does: card.js PROGRAM PROFILE AREA.
 *
 * Shows that a client made at run time from the proto files alone (grpc-js, proto-loader)
 * reads the same figures, over mutual TLS, with the token that `tallygate token` prints.
 */
"use strict";

const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const DEADLINE_MS = 20_000;
const OPTIONS = { includeDirs: ["proto"], keepCase: true, defaults: true };
const [program, profilePath, area] = process.argv.slice(2);

// A profile's plain `name = "text"` lines are all that is needed of its TOML.
const lines = fs.readFileSync(profilePath, "utf8").matchAll(/^(\w+) = "(.*)"$/gm);
const profile = Object.fromEntries([...lines].map(([, name, text]) => [name, text]));
const read = (entry) => fs.readFileSync(path.join(path.dirname(profilePath), profile[entry]));
const token = execFileSync(program, ["token", "--profile", profilePath], { encoding: "utf8" });

const loaded = loader.loadSync("tallygate/v1/figures.proto", OPTIONS);
const { FigureService } = grpc.loadPackageDefinition(loaded).tallygate.v1;
const client = new FigureService(
  profile.server,
  grpc.credentials.createSsl(read("ca"), read("key"), read("certificate")),
  { "grpc.ssl_target_name_override": profile.server_name },
);
const metadata = new grpc.Metadata();
metadata.set("authorization", `Bearer ${token.trim()}`);
const asked = { area, purposes: ["childrens_centre_planning", "early_education_take_up"] };
client.GetCard(asked, metadata, { deadline: Date.now() + DEADLINE_MS }, (error, card) => {
  client.close();
  if (error) {
    console.error(`${grpc.status[error.code]}: ${error.details}`);
    process.exitCode = 1;
    return;
  }
  console.log(card.release_digest.toString("hex"));
  for (const line of card.lines) {
    for (const figure of [line.figure, ...line.trend, ...line.parts]) {
      const { indicator, quarter, part, value, margin } = figure;
      console.log([indicator, quarter, part, value, margin].join("|"));
    }
  }
});
