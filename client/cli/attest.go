package cli

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/quote"
)

// checkEndorsement names the check of the second root, beside those of the evidence.
const checkEndorsement = "endorsement"

// notProven is what no verdict covers: without an endorsement any genuine
// enclave of this configuration is accepted wherever it runs.
const notProven = "that this enclave runs at the router named so: there is no endorsement"

// attestation is the JSON line of attest.
type attestation struct {
	evidenceJSON
	Domain         string `json:"domain"`
	ConfigDigest   string `json:"config_digest"`
	Router         string `json:"router"`
	Instance       string `json:"instance,omitempty"`
	RevocationList uint64 `json:"revocation_list"`
	Reason         string `json:"reason,omitempty"`
	Remedy         string `json:"remedy,omitempty"`
}

func attestCommand() *cobra.Command {
	var s sessionFlags
	var asJSON bool
	var policy string
	cmd := &cobra.Command{
		Use:   "attest --dir DIR [--addr HOST:PORT]",
		Short: "Verify the enclave behind a router and say what was checked",
		Long: `Performs the whole handshake, sends no command, and prints what was checked about
the enclave, against what, until when it is good, and what was not checked. Exit
code 3 means that the evidence was refused: do not use this router.`,
		Example: `  scbr attest --dir dev
  scbr attest --dir dev --addr router.example:7443 --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := notEmpty(cmd, "policy"); err != nil {
				return err
			}
			cfg, err := s.config()
			if err == nil && policy != "" {
				cfg.Policy, err = readPolicy(policy)
			}
			if err != nil {
				return err
			}
			verdict, confirmation, err := client.Attest(cmd.Context(), cfg)
			code := ExitOK
			if err != nil {
				code = exitCode(err)
			}
			if err != nil && code != ExitRefused {
				return err
			}
			a := describe(&cfg, &verdict, &confirmation, err)
			if asJSON {
				return firstError(json.NewEncoder(cmd.OutOrStdout()).Encode(a), err)
			}
			return firstError(a.print(cmd.OutOrStdout(), &cfg), err)
		},
	}
	s.add(cmd)
	once(cmd.Flags(), &policy, "policy", "policy file, in place of that in --dir")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON")
	return cmd
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func describe(cfg *client.Config, v *quote.Verdict, c *keyx.Confirmation, err error) attestation {
	digest := cfg.Domain.Digest()
	a := attestation{
		evidenceJSON: tellEvidence(v), Domain: cfg.Domain.Name, ConfigDigest: hex.EncodeToString(digest[:]), Router: cfg.Router,
		Reason: v.Reason, Remedy: v.Remedy,
	}
	a.Accepted = err == nil && v.Accepted
	switch endorsed := len(cfg.Domain.Endorsers) > 0; {
	case !endorsed: // nobody vouches in this domain
		a.Unchecked = append(a.Unchecked, checkEndorsement)
	case err == nil:
		a.Checked = append(a.Checked, checkEndorsement)
	}
	if err == nil {
		a.RevocationList = c.Revocation
		a.Instance = hex.EncodeToString(c.Instance[:])
		return a
	}
	if a.Check == "" {
		a.Check, a.Reason, a.Remedy = "configuration", inOneLine(err.Error()), advice(err)
		if e, ok := errors.AsType[*client.Error](err); ok && e.Kind == client.Kind(keyx.KindNotEndorsed) {
			a.Check = checkEndorsement
		}
	}
	return a
}

// print writes the attestation for people.
func (a *attestation) print(out io.Writer, cfg *client.Config) error {
	p := &printer{out: out}
	p.line("enclave", a.state())
	a.identity(p)
	if a.Instance != "" {
		p.line("instance", a.Instance)
	}
	p.line("against", fmt.Sprintf("domain %s, configuration %s..., router name %s", a.Domain, a.ConfigDigest[:16], a.Router))
	if a.Accepted {
		p.line("revocation", fmt.Sprintf("list %d is in force (0: none)", a.RevocationList))
		p.line("session", "its key and the configuration are bound by the quote; the enclave has accepted the grant")
	}
	a.reasoning(p, &cfg.Policy)
	a.failure(p, a.Reason, a.Remedy)
	if len(a.Unchecked) > 0 {
		p.line("not checked", strings.Join(a.Unchecked, ", "))
	}
	if len(cfg.Domain.Endorsers) == 0 {
		p.line("not proven", notProven)
	}
	return p.err
}

// printer writes aligned lines and keeps the first error.
type printer struct {
	out io.Writer
	err error
}

// list prints lines under one name.
func (p *printer) list(name string, lines []string) {
	for _, text := range lines {
		p.line(name, text)
		name = ""
	}
}

func (p *printer) line(name, text string) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, "%-12s %s\n", name, text)
	}
}
