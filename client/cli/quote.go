package cli

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/scbr/scbr/keyx/quote"
)

// maxEvidenceFile bounds what is read of a file: hexadecimal doubles it.
const maxEvidenceFile = 1 << 20

func quoteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quote",
		Short: "Look at and verify the evidence of an enclave, without a router",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say what to do with the quote: scbr quote verify --help, scbr quote inspect --help")
		},
	}
	cmd.AddCommand(quoteVerifyCommand(), quoteInspectCommand())
	return cmd
}

// refusedError is evidence that was refused: exit code 3.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }
func (e *refusedError) ExitCode() int { return ExitRefused }

type quoteVerifyFlags struct {
	quote, collateral, root, policy, at string
	json                                bool
}

func quoteVerifyCommand() *cobra.Command {
	var f quoteVerifyFlags
	cmd := &cobra.Command{
		Use:   "verify --quote FILE --collateral FILE --at RFC3339",
		Short: "Verify a quote with its collateral at a given time",
		Long: `Verifies evidence offline: an SGX or TDX quote (versions 3 to 5) or an SEV-SNP
report, binary or in hexadecimal, with the collateral that its host staples to it.
For SGX and TDX that is sgx_ql_qve_collateral_t as JSON.

Without --policy any measurement is accepted, on platforms that are UpToDate or
SWHardeningNeeded, below --root or else Intel's root. With --policy the policy
decides, and --root narrows its roots to one. SEV-SNP needs a policy: AMD rates no
versions, only min_tcb of a policy can say which are good, and without --policy a
report is always refused. Debug enclaves, revoked platforms and
missing revocation lists are always refused. Report data are not compared: whom the
evidence is about, only a session can tell (scbr attest).

Exit code 0: accepted; 3: refused; 2: a file cannot be read as what it should be.`,
		Example: `  scbr quote verify --quote quote.bin --collateral collateral.json --at 2026-03-01T12:00:00Z
  scbr quote verify --quote quote.hex --collateral collateral.json --policy policy.json --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	once(flags, &f.quote, "quote", "quote or report, binary or hexadecimal (required)")
	once(flags, &f.collateral, "collateral", "collateral in JSON; without it only what needs none is checked, and the evidence refused")
	once(flags, &f.root, "root", "root certificate to accept, in PEM or DER (default: Intel's)")
	once(flags, &f.policy, "policy", "policy file")
	once(flags, &f.at, "at", "time of the check, as 2026-03-01T12:00:00Z (default: now)")
	flags.BoolVar(&f.json, "json", false, "print one line of JSON")
	return cmd
}

// verifiedJSON is the JSON line of quote verify. Reason is the code of the check
// that failed, Detail says it in words.
type verifiedJSON struct {
	evidenceJSON
	Reason string `json:"reason"`
	Detail string `json:"detail,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	At     string `json:"at"`
}

// onceValue is the text of a flag that is given once: of two the last would win
// silently, and something else be verified than was meant.
type onceValue struct {
	text  *string
	given bool
}

func once(flags *pflag.FlagSet, text *string, name, usage string) {
	flags.Var(&onceValue{text: text}, name, usage)
}

func (v *onceValue) String() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

func (v *onceValue) Type() string { return "string" }

func (v *onceValue) Set(text string) error {
	if v.given {
		return errors.New("given twice")
	}
	*v.text, v.given = text, true
	return nil
}

// notEmpty refuses flags that are given without a value, such as --policy="$UNSET":
// without them other rules would hold than were asked for.
func notEmpty(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed && f.Value.String() == "" {
			return usagef("--%s is empty: give it a value, or leave it out", name)
		}
	}
	return nil
}

func (f *quoteVerifyFlags) run(cmd *cobra.Command) error {
	if err := notEmpty(cmd, "quote", "collateral", "root", "policy", "at"); err != nil {
		return err
	}
	evidence, at, err := f.read()
	if err != nil {
		return err
	}
	verdict, policy, err := f.verify(evidence, at)
	if bad, ok := errors.AsType[*usageError](err); ok {
		return bad
	}
	e := tellEvidence(&verdict)
	if policy.EndorsementRequired {
		e.Unchecked = append(e.Unchecked, checkEndorsement)
	}
	if f.json {
		line := verifiedJSON{e, verdict.Check, verdict.Reason, verdict.Remedy, timeText(at)}
		return firstError(json.NewEncoder(cmd.OutOrStdout()).Encode(line), err)
	}
	p := &printer{out: cmd.OutOrStdout()}
	p.line("evidence", e.state()+", at "+timeText(at))
	e.identity(p)
	e.reasoning(p, &policy)
	e.failure(p, verdict.Reason, verdict.Remedy)
	if f.policy == "" {
		p.line("not checked", "measurement: without --policy any is accepted")
	}
	for _, name := range verdict.Unchecked {
		if name != quote.UncheckedMeasurement && name != quote.UncheckedReportData {
			p.line("not checked", name+": the policy has it, and it has no effect on "+e.TEE)
		}
	}
	if policy.EndorsementRequired {
		p.line("not checked", "endorsement: the policy wants one, and it comes with a session (scbr attest)")
	}
	p.line("not checked", "report data: whom this evidence is about, only a session can tell (scbr attest)")
	return firstError(p.err, err)
}

// read takes files and time from the command line.
func (f *quoteVerifyFlags) read() (e quote.Evidence, at time.Time, err error) {
	if f.quote == "" {
		return e, at, usagef("no --quote: name the file with the quote")
	}
	at = time.Now()
	if f.at != "" {
		if at, err = time.Parse(time.RFC3339, f.at); err != nil {
			return e, at, usagef("--at %q: write a time such as 2026-03-01T12:00:00Z", f.at)
		}
	}
	if e.Quote, err = readQuote("--quote", f.quote); err != nil || f.collateral == "" {
		return e, at, err
	}
	if e.Collateral, err = readEvidence("--collateral", f.collateral); err != nil {
		return e, at, err
	}
	if !json.Valid(e.Collateral) {
		return e, at, usagef("--collateral %s is not JSON", f.collateral)
	}
	return e, at, nil
}

// verify decides by policy, or looks without one.
func (f *quoteVerifyFlags) verify(e quote.Evidence, at time.Time) (v quote.Verdict, policy quote.Policy, err error) {
	root := quote.IntelRoot()
	if f.root != "" {
		if root, err = readCertificate("--root", f.root); err != nil {
			return v, policy, err
		}
	}
	if f.policy == "" {
		policy.Roots = []*x509.Certificate{root}
		v, err = quote.Examine(e, policy.Roots, at)
	} else {
		if policy, err = readPolicy(f.policy); err != nil {
			return v, policy, err
		}
		if f.root != "" {
			policy = narrow(policy, root)
		}
		v, err = policy.VerifyUnbound(e, at)
	}
	if err != nil {
		err = &refusedError{err}
	}
	return v, policy, err
}

// narrow leaves a policy one of its roots. If it does not have it, no root is left
// and it accepts nothing.
func narrow(p quote.Policy, root *x509.Certificate) quote.Policy {
	other := func(c *x509.Certificate) bool { return !c.Equal(root) }
	p.Roots, p.SimulatedRoots = slices.DeleteFunc(p.Roots, other), slices.DeleteFunc(p.SimulatedRoots, other)
	return p
}

func readPolicy(name string) (quote.Policy, error) {
	b, err := readEvidence("--policy", name)
	if err != nil {
		return quote.Policy{}, err
	}
	p, err := quote.ParsePolicy(b)
	if err != nil {
		return p, usagef("%s: %w", name, err)
	}
	return p, nil
}

func readEvidence(flag, name string) ([]byte, error) {
	b, err := readAtMost(name, maxEvidenceFile)
	if err != nil {
		return nil, badPath(err, "check "+flag)
	}
	return b, nil
}

// readQuote reads what can be told apart as a quote or report; whether it holds is
// the verifier's question.
func readQuote(flag, name string) (quote.RawQuote, error) {
	b, err := readEvidence(flag, name)
	if err != nil {
		return nil, err
	}
	text := bytes.TrimSpace(b)
	text = bytes.TrimPrefix(bytes.TrimPrefix(text, []byte("0x")), []byte("0X"))
	text = bytes.Join(bytes.Fields(text), nil)
	if raw, err := hex.AppendDecode(nil, text); err == nil && len(raw) > 0 {
		b = raw
	}
	if quote.Kind(b) == "" {
		return nil, usagef("%s %s is neither an SGX or TDX quote nor an SEV-SNP report, in binary or hexadecimal", flag, name)
	}
	return b, nil
}

// readCertificate reads one certificate in PEM or DER.
func readCertificate(flag, name string) (*x509.Certificate, error) {
	b, err := readEvidence(flag, name)
	if err != nil {
		return nil, err
	}
	if block, rest := pem.Decode(b); block != nil {
		if block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) != 0 {
			return nil, usagef("%s %s: not one certificate", flag, name)
		}
		b = block.Bytes
	}
	c, err := x509.ParseCertificate(b)
	if err != nil {
		return nil, usagef("%s %s: not one certificate in PEM or DER", flag, name)
	}
	return c, nil
}
