package cli

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/keyx/quote"
)

type policyFlags struct {
	roots, measurements []string
	simulated           bool
	out                 string
}

func policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Make a policy: which enclaves a client accepts",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to do with the policy: scbr policy init --help")
		},
	}
	cmd.AddCommand(policyInitCommand())
	return cmd
}

func policyInitCommand() *cobra.Command {
	var p policyFlags
	cmd := &cobra.Command{
		Use:   "init --root FILE --measurement HEX --out FILE",
		Short: "Write the policy file of a client directory",
		Long: `Writes a policy that accepts enclaves with one of the measurements on platforms
below one of the roots. Whoever changes the policy a client uses decides which
enclaves that client trusts: get root and measurement by a path you trust, and
hand the policy out by one. An existing file is never overwritten.

What else a policy can say (TCB statuses, advisories, platforms, ages of collateral,
signers with a least version, TDX and SEV-SNP) is added by hand: docs/EVIDENCE.md has
every member, and scbr quote verify --policy tries it.

The root of a simulated platform needs --simulated: no hardware protects what
runs there. On such a platform the measurement is the SHA-256 of enclaved.`,
		Example: `  scbr policy init --root plat/platform/root.pem --simulated \
    --measurement "$(sha256sum bin/enclaved | cut -c 1-64)" --out policy.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&p.roots, "root", nil, "root certificate in PEM (repeatable, required)")
	f.StringArrayVar(&p.measurements, "measurement", nil, "measurement of an accepted enclave, 64 hex digits (repeatable, required)")
	f.BoolVar(&p.simulated, "simulated", false, "the roots are those of simulated platforms, for development")
	f.StringVar(&p.out, "out", "", "file to write (required)")
	return cmd
}

func (p *policyFlags) run(cmd *cobra.Command) error {
	switch {
	case len(p.roots) == 0:
		return usagef("no --root: name the root certificate of the platforms you accept")
	case len(p.measurements) == 0:
		return usagef("no --measurement: name the enclave you accept")
	case p.out == "":
		return usagef("no --out: name the file to write")
	}
	policy, err := p.policy()
	if err != nil {
		return err
	}
	text := policy.JSON()
	if _, err := quote.ParsePolicy(text); err != nil {
		return usagef("clients would refuse this policy: %w", err)
	}
	if err := writeNew("check --out: the directory must exist and be yours to write", newFile{p.out, text, publicMode}); err != nil {
		return err
	}
	kind := "hardware"
	if p.simulated {
		kind = "SIMULATED"
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "wrote %s: measurements accepted %d, %s roots %d\n", p.out, len(policy.Measurements), kind, len(p.roots))
	return err
}

func (p *policyFlags) policy() (quote.Policy, error) {
	var policy quote.Policy
	for _, name := range p.roots {
		root, err := readRoot(name)
		if err != nil {
			return policy, err
		}
		switch simulation := quote.IsSimulationRoot(root); {
		case simulation && !p.simulated:
			return policy, usagef("%s is a simulation root: no hardware protects what runs below it; for development add --simulated", name)
		case p.simulated && !simulation:
			return policy, usagef("%s is not a simulation root: leave --simulated out", name)
		case simulation:
			policy.SimulatedRoots = append(policy.SimulatedRoots, root)
		default:
			policy.Roots = append(policy.Roots, root)
		}
	}
	for i, text := range p.measurements {
		var m [32]byte
		b, err := hex.DecodeString(text)
		if err != nil || copy(m[:], b) != len(m) || len(b) != len(m) {
			return policy, usagef("--measurement %d: write %d hex digits", i+1, hex.EncodedLen(len(m)))
		}
		policy.Measurements = append(policy.Measurements, m)
	}
	return policy, nil
}

var errNotRoot = errors.New("not one certificate in PEM")

func readRoot(name string) (*x509.Certificate, error) {
	b, err := os.ReadFile(name) //nolint:gosec // the path is the user's own
	if err != nil {
		return nil, badPath(err, "check --root: it names a root certificate in PEM")
	}
	block, rest := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" || len(rest) != 0 {
		return nil, usagef("%s: %w", name, errNotRoot)
	}
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, usagef("%s: %w", name, errNotRoot)
	}
	return root, nil
}
