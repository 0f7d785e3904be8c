package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFormalVerdictsAreRecorded: the table of verdicts has a row for each model
// that expected.txt records, in its words, and every model that the README names.
// It does not run ProVerif.
func TestFormalVerdictsAreRecorded(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join("formal", name))
		require.NoError(t, err)
		return string(b)
	}
	recorded := map[string]string{}
	for line := range strings.Lines(read("expected.txt")) {
		if f := strings.Fields(line); len(f) == 2 && !strings.HasPrefix(line, "#") {
			recorded[f[0]] = f[1]
		}
	}
	require.Len(t, recorded, 63)
	rows := map[string]bool{}
	for line := range strings.Lines(read("verdicts.md")) {
		cells := strings.Split(line, " | ")
		name := strings.TrimPrefix(cells[0], "| ")
		if want, ok := recorded[name]; ok {
			rows[name] = true
			require.Contains(t, line, "as recorded", name)
			attacks := strings.Count(want, "F") - strings.Count(cells[2], "executable")
			require.Equal(t, attacks, strings.Count(cells[2], "**attack**"), name)
		}
	}
	require.Len(t, rows, len(recorded))
	readme := read("README.md")
	for _, short := range regexp.MustCompile(`\b(?:kx|pub|rev|equiv|read)_[0-9]{2}\b`).FindAllString(readme, -1) {
		found := false
		for name := range recorded {
			found = found || strings.HasPrefix(name, short)
		}
		require.True(t, found, short)
	}
}
