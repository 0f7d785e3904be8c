package cli

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/client/offline"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/matcher/filter"
)

type proofFlags struct {
	dir, domain string
	json        bool
}

func proofCommand() *cobra.Command {
	var p proofFlags
	cmd := &cobra.Command{
		Use:   "proof --domain FILE [PROOF]",
		Short: "Verify who published something",
		Long: `Verifies a proof: the "proof" of a line that scbr sub --json printed of a signed
publication, or that whole line, from a file or standard input. Needed is nothing
but the domain file, from a source you trust: neither the subscriber that shows
the proof nor any router or enclave has to be believed.

A proof says that the holder of the grant's key, which the domain's authority has
given that name, signed exactly these attributes and this payload under this
sequence. It does not say when: compare the end of the grant, and revocation lists.

Exit code 0: verified; 3: not what it says; 2: not a proof.`,
		Example: `  scbr sub --dir dev --where TRUE --count 1 --json > delivery.json
  scbr proof --domain dev/domain.json delivery.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("give one proof: scbr proof --domain FILE PROOF")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return p.run(cmd, args) },
	}
	cmd.Flags().StringVar(&p.dir, "dir", "", "directory with domain.json (default $"+envDir+")")
	cmd.Flags().StringVar(&p.domain, "domain", "", "domain file, instead of that in --dir")
	cmd.Flags().BoolVar(&p.json, "json", false, "print what was verified as JSON")
	return cmd
}

func (p *proofFlags) run(cmd *cobra.Command, args []string) error {
	domain, err := p.readDomain()
	if err != nil {
		return err
	}
	in := cmd.InOrStdin()
	if len(args) == 1 && args[0] != "-" {
		f, err := os.Open(args[0])
		if err != nil {
			return badPath(err, "name a file with a proof, or - for standard input")
		}
		defer f.Close() //nolint:errcheck // opened for reading only
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxProofFile+1))
	if err != nil {
		return badPath(err, "name a file with a proof, or - for standard input")
	}
	proof, err := keyx.ParseProof(inner(b))
	if err != nil {
		return usagef("%w", err)
	}
	grant, err := proof.VerifyProof(domain)
	if err != nil {
		return &notProvedError{err}
	}
	return p.print(cmd.OutOrStdout(), proof, &grant)
}

// maxProofFile bounds what is read: a line of scbr sub holds the payload twice.
const maxProofFile = 2 * keyx.MaxProofBytes

// inner is the proof within a line of scbr sub --json, or b itself.
func inner(b []byte) []byte {
	var line struct {
		Proof json.RawMessage `json:"proof"`
	}
	if json.Unmarshal(b, &line) == nil && line.Proof != nil {
		return line.Proof
	}
	return bytes.TrimSpace(b)
}

func (p *proofFlags) readDomain() (keyx.Domain, error) {
	dir := cmp.Or(p.dir, os.Getenv(envDir))
	if dir == "" && p.domain == "" {
		return keyx.Domain{}, usagef("no domain: give --domain FILE or --dir DIR")
	}
	name := cmp.Or(p.domain, filepath.Join(dir, client.DomainFile))
	b, err := os.ReadFile(name) //nolint:gosec // the path is the user's own
	if err != nil {
		return keyx.Domain{}, badPath(err, "check --domain")
	}
	domain, err := keyx.ParseDomain(b)
	if err != nil {
		return keyx.Domain{}, usagef("%s: %w", name, err)
	}
	return domain, nil
}

func (p *proofFlags) print(out io.Writer, proof *keyx.Proof, grant *keyx.Grant) error {
	event, err := filter.DecodeEvent(proof.Attributes)
	if err != nil {
		return err // Verify has decoded them
	}
	sequence := fmt.Sprintf("%016x-%d", proof.ID.Run, proof.ID.Counter)
	if !p.json {
		_, err := fmt.Fprintf(out, "verified: %s of %s published %s %s %s\nunder grant %d, valid until %s\n", strconv.Quote(proof.ID.Subject),
			proof.ID.Domain, sequence, eventText(event), strconv.Quote(string(proof.Body)), grant.Serial, grant.NotAfter.UTC().Format(time.RFC3339))
		return err
	}
	attributes, err := offline.EventJSON(event)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(struct {
		Verified   bool            `json:"verified"`
		Domain     string          `json:"domain"`
		Publisher  string          `json:"publisher"`
		Sequence   string          `json:"sequence"`
		Attributes json.RawMessage `json:"attributes"`
		Payload    string          `json:"payload_base64"`
		Serial     uint64          `json:"grant_serial"`
		NotAfter   string          `json:"grant_not_after"`
	}{
		true, proof.ID.Domain, proof.ID.Subject, sequence, attributes, base64.StdEncoding.EncodeToString(proof.Body),
		grant.Serial, grant.NotAfter.UTC().Format(time.RFC3339),
	})
}

// notProvedError is a proof that does not hold: exit code 3.
type notProvedError struct{ err error }

func (e *notProvedError) Error() string { return "not verified: " + e.err.Error() }
func (e *notProvedError) Unwrap() error { return e.err }
func (e *notProvedError) ExitCode() int { return ExitRefused }
