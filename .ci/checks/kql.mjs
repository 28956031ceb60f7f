// Holds the KQL of `pipewarden export` against Microsoft's own parser, with the columns of the tables that it reads:
//
//     node kql.mjs FOLDER FILE...    FOLDER holds node_modules with @kusto/language-service-next
//
// Queries are separated by empty lines, as in the editor of Sentinel.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runInThisContext } from "node:vm";

const [folder, ...files] = process.argv.slice(2);
const library = join(folder, "node_modules/@kusto/language-service-next");
for (const file of ["bridge.min.js", "Kusto.Language.Bridge.min.js"]) {
  runInThisContext(readFileSync(join(library, file), "utf8"), { filename: file });
}
const { GlobalState, KustoCode, Symbols } = globalThis.Kusto.Language;

// As https://learn.microsoft.com/azure/azure-monitor/reference/tables/ has them, in so far as they are used.
const TABLES = {
  SecurityEvent: `(TimeGenerated: datetime, Computer: string, EventID: int, AccessMask: string,
    AuthenticationPackageName: string, IpAddress: string, IpPort: string, LogonType: int, RelativeTargetName: string,
    ShareName: string, SubjectDomainName: string, SubjectUserName: string, TargetDomainName: string,
    TargetLogonId: string, TargetUserName: string, TargetUserSid: string, WorkstationName: string)`,
  Event: "(TimeGenerated: datetime, Computer: string, EventID: int, EventData: string, Source: string)",
};
const tables = Object.entries(TABLES).map(([name, columns]) => Symbols.TableSymbol.From(columns).WithName(name));
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("sentinel", tables));

for (const file of files) {
  const parts = readFileSync(file, "utf8").split(/\n\n/);
  const queries = parts.filter((part) => /^[^/]/m.test(part));
  for (const query of queries) {
    const problems = KustoCode.ParseAndAnalyze(query, globals).GetDiagnostics();
    if (problems.Count > 0) {
      const first = problems.getItem(0);
      console.error(`${file}: ${first.Message}\n${query.slice(first.Start, first.Start + 100)}`);
      process.exit(1);
    }
  }
  if (queries.length === 0) {
    console.error(`${file}: there was nothing to read`);
    process.exit(1);
  }
  console.log(`${file}: ${queries.length} kql documents or queries are valid`);
}
