"use strict";

const assert = require("node:assert");
const test = require("node:test");
const { add } = require("../shelf.js");

test("counts add up", () => assert.strictEqual(add(1, 2), 3));
