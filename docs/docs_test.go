// Package docs_test keeps the documents honest: the import arrows of ARCHITECTURE.md are compared with what the compiler
// sees, and every test that they name must exist.
package docs_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/scbr/scbr"

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// packages lists this module's packages with direct imports and closure, test files left out.
func packages(t *testing.T) map[string]goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	require.NoError(t, err)
	all := map[string]goPackage{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all[strings.TrimPrefix(p.ImportPath, module+"/")] = p
	}
}

// table returns the rows below the heading of a Markdown file, cells trimmed.
func table(t *testing.T, file, heading string) [][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	_, after, found := strings.Cut(string(text), heading+"\n")
	require.True(t, found, "%s has no section %q", file, heading)
	var rows [][]string
	for sc := bufio.NewScanner(strings.NewReader(after)); sc.Scan() && !strings.HasPrefix(sc.Text(), "## "); {
		line := strings.TrimSpace(sc.Text())
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		rows = append(rows, cells)
	}
	require.Greater(t, len(rows), 1, "%s: no table below %q", file, heading)
	return rows[1:]
}

func list(cell string) []string {
	if cell == "-" {
		return nil
	}
	var out []string
	for s := range strings.SplitSeq(cell, ",") {
		out = append(out, strings.Trim(strings.TrimSpace(s), "`"))
	}
	return out
}

func internal(imports []string) []string {
	var out []string
	for _, i := range imports {
		if rest, ok := strings.CutPrefix(i, module+"/"); ok {
			out = append(out, rest)
		}
	}
	return out
}

func TestImportArrows(t *testing.T) {
	all := packages(t)
	rows := map[string][]string{}
	for _, r := range table(t, "ARCHITECTURE.md", "## Import arrows") {
		rows[r[0]] = list(r[1])
		_, exists := all[r[0]]
		require.True(t, exists, "the table has a row for %s, which does not exist", r[0])
	}
	for name, p := range all {
		if strings.HasPrefix(name, "bench/") && rows[name] == nil || name == "docs" {
			continue // bench may import everything
		}
		allowed, ok := rows[name]
		if !ok && name != module {
			t.Errorf("package %s has no row in ARCHITECTURE.md", name)
			continue
		}
		for _, i := range internal(p.Imports) {
			if !slices.Contains(allowed, i) {
				t.Errorf("%s imports %s; its row allows %v", name, i, allowed)
			}
		}
	}
}

func TestNobodyImportsBench(t *testing.T) {
	for name, p := range packages(t) {
		for _, i := range internal(p.Imports) {
			if strings.HasPrefix(i, "bench/") && !strings.HasPrefix(name, "bench/") {
				t.Errorf("%s imports %s", name, i)
			}
		}
	}
}

func TestNeverReachable(t *testing.T) {
	all := packages(t)
	for _, r := range table(t, "ARCHITECTURE.md", "## What must never be reachable") {
		p, ok := all[r[0]]
		require.True(t, ok, "no package %s", r[0])
		for _, banned := range list(r[1]) {
			for _, d := range p.Deps {
				if reaches(banned, strings.TrimPrefix(d, module+"/")) {
					t.Errorf("%s reaches %s (%s)", r[0], d, r[2])
				}
			}
		}
	}
}

// reaches says whether dep is the banned package or below it. The codec enclave/abi is shared with the host by design.
func reaches(banned, dep string) bool {
	if banned == "enclave" && dep == "enclave/abi" {
		return false
	}
	return dep == banned || strings.HasPrefix(dep, banned+"/")
}

func TestQuicOnlyAtTheEdge(t *testing.T) {
	for name, p := range packages(t) {
		for _, i := range p.Imports {
			top, _, _ := strings.Cut(name, "/")
			if strings.HasPrefix(i, "github.com/quic-go/") && !slices.Contains([]string{"router", "client", "bench"}, top) {
				t.Errorf("%s imports %s", name, i)
			}
		}
	}
}

func TestPureCores(t *testing.T) {
	banned := []string{"net", "net/http", "os", "os/exec", "log", "log/slog", "math/rand", "math/rand/v2", "syscall"}
	for name, p := range packages(t) {
		if name != "matcher" && name != "matcher/filter" && name != "keyx" && name != "keyx/message" && name != "keyx/quote" && name != "keyx/group" {
			continue
		}
		for _, i := range p.Imports {
			if slices.Contains(banned, i) || strings.HasPrefix(name, "matcher") && i == "time" {
				t.Errorf("%s imports %s", name, i)
			}
		}
	}
}

// TestNamedTestsExist: a promise in FAULTS.md or THREATS.md names the test that shows it.
func TestNamedTestsExist(t *testing.T) {
	defined := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	require.NoError(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path) // #nosec G304 -- walks this repository
		for _, m := range declaration.FindAllSubmatch(src, -1) {
			defined[string(m[1])] = true
		}
		return err
	}))
	named := regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`)
	for _, file := range []string{"FAULTS.md", "THREATS.md", "PROTOCOL.md", "MATCHER.md"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, n := range named.FindAllString(string(text), -1) {
			if !defined[n] {
				t.Errorf("%s names %s, which no test file defines", file, n)
			}
		}
	}
	for _, r := range table(t, "FAULTS.md", "## Proven") {
		require.Regexp(t, `Test|Fuzz`, r[len(r)-1], "row %s names no test", r[0])
	}
}
