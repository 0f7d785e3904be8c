package quote_test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx/quote"
)

var update = flag.Bool("update", false, "write the table of verdicts anew")

const (
	tableFile  = "../../docs/EVIDENCE.md"
	tableBegin = "<!-- verdicts -->\n"
	tableEnd   = "<!-- /verdicts -->"
)

// TestVerdictTable keeps the table of all vectors in the documentation true.
func TestVerdictTable(t *testing.T) {
	doc, err := os.ReadFile(tableFile)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(doc), tableBegin)
	require.True(t, ok)
	old, tail, ok := strings.Cut(rest, tableEnd)
	require.True(t, ok)
	table := verdictTable(t)
	if *update {
		require.NoError(t, os.WriteFile(tableFile, []byte(head+tableBegin+table+tableEnd+tail), 0o600))
		return
	}
	require.Equal(t, table, old)
}

func verdictTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("\n| quote | at | TEE, version | platform | quoting enclave | TDX module | merged | advisories | verdict |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, c := range realCases(t) {
		v, _ := quote.Examine(c.evidence(t), realRoots(t, c.Root), c.At)
		fmt.Fprintf(&b, "| %s | %s | %s %d | %s | %s | %s | %s | %d | %s |\n", c.Quote, c.At.Format("2006-01-02"), v.TEE, c.Version,
			orNone(v.PlatformStatus), orNone(v.QEStatus), orNone(v.ModuleStatus), orNone(v.Status), len(v.Advisories), verdictText(v))
	}
	ppid, _ := quote.Examine(quote.Evidence{Quote: realRaw(t, "oasis/quote_v3_ecdsa_p256_eppid.bin")}, intelRoots(t), realCases(t)[0].At)
	fmt.Fprintf(&b, "| oasis/quote_v3_ecdsa_p256_eppid.bin | | %s 3 | - | - | - | - | 0 | %s |\n", ppid.TEE, verdictText(ppid))
	a := realSNP(t)
	snp, _ := a.verify()
	fmt.Fprintf(&b, "| snp/attestation.bin, chip %s... | %s | %s 2 | - | - | - | - | 0 | %s |\n", hex.EncodeToString(snp.PlatformID[:4]), a.now.Format("2006-01-02"), snp.TEE, verdictText(snp))
	b.WriteString("\n")
	return b.String()
}

func orNone(s quote.Status) string {
	if s == "" {
		return "-"
	}
	return string(s)
}

func verdictText(v quote.Verdict) string {
	if v.Accepted {
		return "accepted"
	}
	return "refused: " + v.Check
}
