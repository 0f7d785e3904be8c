package cli

import (
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/scbr/scbr/keyx/quote"
)

func quoteInspectCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Say what a quote claims, without verifying anything",
		Long: `Takes a quote apart and prints what it says: version, TEE, measurement, signer,
report data, certificates. Nothing of it is verified: anybody can write such a file.`,
		Example: `  scbr quote inspect quote.bin`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("give one file: scbr quote inspect FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := readQuote("quote", args[0])
			if err != nil {
				return err
			}
			c, err := inspect(raw)
			if err != nil {
				return usagef("%s: %w", args[0], err)
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(c)
			}
			p := &printer{out: cmd.OutOrStdout()}
			c.print(p)
			return p.err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON")
	return cmd
}

// claims are what a quote says of itself.
type claims struct {
	Verified     bool     `json:"verified"` // never: for whoever reads the JSON alone
	Kind         string   `json:"kind"`
	Version      uint32   `json:"version"`
	TEE          string   `json:"tee"`
	Debug        bool     `json:"debug"`
	Measurement  string   `json:"measurement"`
	RTMRs        []string `json:"rtmrs,omitempty"`
	Signer       string   `json:"signer,omitempty"`
	ProductID    uint16   `json:"product_id"`
	SVN          uint16   `json:"svn"`
	FMSPC        string   `json:"fmspc,omitempty"`
	PlatformID   string   `json:"platform_id,omitempty"`
	ReportData   string   `json:"report_data"`
	Certificates []string `json:"certificates"`
	Trailing     int      `json:"trailing_zeros"`
	Note         string   `json:"note,omitempty"` // what could not be read
}

// inspect takes evidence apart. The verdict of an unusable policy has everything
// that can be read.
func inspect(raw quote.RawQuote) (*claims, error) {
	v, _ := quote.Policy{}.VerifyUnbound(quote.Evidence{Quote: raw}, time.Time{})
	if len(v.Measurement) == 0 {
		return nil, fmt.Errorf("cannot be read: %s", v.Reason)
	}
	e := tellEvidence(&v)
	c := &claims{
		Kind: quote.Kind(raw), TEE: e.TEE, Debug: e.Debug, Measurement: e.Measurement, RTMRs: e.RTMRs, Signer: e.Signer,
		ProductID: e.ProductID, SVN: e.SVN, FMSPC: e.FMSPC, PlatformID: e.PlatformID,
		ReportData: hex.EncodeToString(v.ReportData[:]), Certificates: []string{},
	}
	c.Version = uint32(binary.LittleEndian.Uint16(raw))
	q, err := quote.ParseQuote(raw)
	if err != nil {
		c.Note = v.Reason
		return c, nil
	}
	c.Trailing = len(raw) - len(q.AppendBinary(nil))
	for block, rest := pem.Decode(q.CertData); block != nil; block, rest = pem.Decode(rest) {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			c.Certificates = append(c.Certificates, fmt.Sprintf("%s, serial %x, until %s", cert.Subject.CommonName, cert.SerialNumber, timeText(cert.NotAfter)))
		}
	}
	return c, nil
}

func (c *claims) print(p *printer) {
	p.line("quote", fmt.Sprintf("%s, version %d; NOTHING below is verified", c.Kind, c.Version))
	e := evidenceJSON{
		TEE: c.TEE, Debug: c.Debug, FMSPC: c.FMSPC, Measurement: c.Measurement, RTMRs: c.RTMRs, Signer: c.Signer,
		ProductID: c.ProductID, SVN: c.SVN, PlatformID: c.PlatformID,
	}
	e.who(p)
	p.line("report data", c.ReportData)
	p.list("certificates", c.Certificates)
	if c.Note != "" {
		p.line("note", c.Note)
	}
	if c.Trailing > 0 {
		p.line("trailing", fmt.Sprintf("%d zero bytes", c.Trailing))
	}
}
