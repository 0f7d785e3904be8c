package cli

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/client"
)

// complete adds what a shell can propose for the flags of a command that talks to a router.
func (s *sessionFlags) complete(cmd *cobra.Command) {
	must := func(err error) {
		if err != nil {
			panic("cli: completion of a flag that does not exist: " + err.Error())
		}
	}
	must(cmd.MarkFlagDirname("dir"))
	must(cmd.RegisterFlagCompletionFunc("as", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return s.identities(), cobra.ShellCompDirectiveDefault
	}))
	must(cmd.RegisterFlagCompletionFunc("network", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var all []string
		for _, n := range client.Networks() {
			all = append(all, string(n))
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}))
	for _, free := range []string{"addr", "router", "timeout"} {
		must(cmd.RegisterFlagCompletionFunc(free, cobra.NoFileCompletions))
	}
}

// identities are the names in the client directory that have a key and a grant.
func (s *sessionFlags) identities() []string {
	dir := cmp.Or(s.dir, os.Getenv(envDir))
	grants, err := filepath.Glob(filepath.Join(dir, "*.grant"))
	if err != nil {
		return nil
	}
	var names []string
	for _, g := range grants {
		name := strings.TrimSuffix(g, ".grant")
		if _, err := os.Stat(name + ".key"); err == nil { //nolint:gosec // names for the user's own shell
			names = append(names, filepath.Base(name))
		}
	}
	return names
}
