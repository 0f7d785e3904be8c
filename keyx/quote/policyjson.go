package quote

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"time"
)

// policyFile is the JSON form that Policy.JSON writes.
type policyFile struct {
	Roots          []string            `json:"roots,omitempty"`
	SimulatedRoots []string            `json:"simulated_roots,omitempty"`
	Measurements   []string            `json:"measurements,omitempty"`
	Signers        []signerFile        `json:"signers,omitempty"`
	TDs            []map[string]string `json:"tdx,omitempty"`
	Guests         []guestFile         `json:"sev_snp,omitempty"`
	Statuses       []Status            `json:"statuses,omitempty"`
	Advisories     *[]string           `json:"advisories,omitempty"`
	Platforms      []string            `json:"platform_ids,omitempty"`
	CollateralAge  string              `json:"max_collateral_age,omitempty"`
	RootCRLAge     string              `json:"max_root_crl_age,omitempty"`
	MinEvaluation  uint32              `json:"min_tcb_evaluation_number,omitempty"`
	Endorsement    bool                `json:"endorsement_required,omitempty"`
}

type guestFile struct {
	Measurement string         `json:"measurement"`
	MinTCB      map[string]any `json:"min_tcb"`
	MaxVMPL     uint32         `json:"max_vmpl,omitempty"`
}

type signerFile struct {
	Signer  string `json:"signer"`
	Product uint16 `json:"product_id"`
	MinSVN  uint16 `json:"min_svn"`
}

// JSON returns the policy as the file ParsePolicy reads, indented, ending in a
// line feed. A policy that accepts nothing gives a file that ParsePolicy refuses.
func (p Policy) JSON() []byte {
	f := policyFile{
		Roots: pemTexts(p.Roots), SimulatedRoots: pemTexts(p.SimulatedRoots), Statuses: p.Statuses,
		CollateralAge: spanText(p.MaxCollateralAge), RootCRLAge: spanText(p.MaxRootCRLAge),
		MinEvaluation: p.MinTCBEvaluation, Endorsement: p.EndorsementRequired,
	}
	if p.Advisories != nil {
		f.Advisories = &p.Advisories
	}
	for _, id := range p.Platforms {
		f.Platforms = append(f.Platforms, hex.EncodeToString(id))
	}
	for i := range p.TDs {
		f.TDs = append(f.TDs, p.TDs[i].file())
	}
	for i := range p.Guests {
		f.Guests = append(f.Guests, p.Guests[i].file())
	}
	for _, m := range p.Measurements {
		f.Measurements = append(f.Measurements, hex.EncodeToString(m[:]))
	}
	for _, s := range p.Signers {
		f.Signers = append(f.Signers, signerFile{hex.EncodeToString(s.Signer[:]), s.Product, s.MinSVN})
	}
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		panic("quote: strings and numbers always have a JSON form: " + err.Error())
	}
	return append(b, '\n')
}

func pemTexts(certs []*x509.Certificate) []string {
	var out []string
	for _, c := range certs {
		if c == nil {
			continue
		}
		out = append(out, string(pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: c.Raw})))
	}
	return out
}

func spanText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func (r *TDRule) file() map[string]string {
	out := map[string]string{keyMRTD: hex.EncodeToString(r.MRTD[:])}
	for i, m := range r.RTMR {
		if m != nil {
			out[fmt.Sprintf("%s%d", keyRTMR, i)] = hex.EncodeToString(m[:])
		}
	}
	return out
}

func (r *GuestRule) file() guestFile {
	t := r.MinTCB
	f := guestFile{hex.EncodeToString(r.Measurement[:]), map[string]any{
		"bootloader": t.Bootloader, "tee": t.TEE, "snp": t.SNP, "microcode": t.Microcode,
	}, r.MaxVMPL}
	if r.Product != "" {
		f.MinTCB[keyFamily] = r.Product
	}
	if t.FMC != 0 {
		f.MinTCB["fmc"] = t.FMC
	}
	return f
}
