"use strict";

/** Adds two counts. */
exports.add = (one, other) => one + other;
