'use strict';

const fs = require('node:fs');
const path = require('node:path');

const page = path.resolve(__dirname, '..', '..', 'docs', 'runtimes.md');

// Prints, after `npm run test:runtimes`, a row for each runtime, installer and tool; each has its row in
// docs/runtimes.md.
module.exports = class Table {
  #missing = [];

  onRunComplete(_contexts, { testResults }) {
    const rows = new Map();
    for (const { testResults: tests } of testResults) {
      for (const { ancestorTitles, title, status } of tests) {
        if (status === 'pending') continue;
        const name = ancestorTitles[0] ?? title;
        const row = rows.get(name) ?? { passed: 0, all: 0 };
        rows.set(name, row);
        row.all++;
        if (status === 'passed') row.passed++;
      }
    }
    const text = fs.readFileSync(page, 'utf8');
    this.#missing = [...rows.keys()].filter((name) => !text.includes(`| ${name} |`));
    const width = Math.max(0, ...[...rows.keys()].map((name) => name.length));
    for (const [name, { passed, all }] of rows) {
      const result = passed === all ? 'runs' : 'FAILS';
      process.stdout.write(`| ${name.padEnd(width)} | ${result}, ${passed} of ${all} |\n`);
    }
  }

  getLastError() {
    if (this.#missing.length === 0) return undefined;
    return new Error(`${page} has no row for ${this.#missing.join(', ')}`);
  }
};
