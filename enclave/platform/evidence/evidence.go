// Package evidence reads what hardware platforms have in common out of the quotes
// they make about themselves.
//
// It trusts its input no further than the platforms' callers do: a quote that a host
// made up gives a wrong Info, which proves nothing to anybody (package platform).
package evidence

import (
	"fmt"

	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/keyx/quote"
)

// ReportData returns the report data of an SGX or TDX quote or an SEV-SNP report.
func ReportData(raw []byte) ([64]byte, error) {
	v, err := claims(raw)
	return v.ReportData, err
}

// Info describes the enclave that a quote is about. kind is the platform's.
func Info(kind string, raw []byte) (platform.Info, error) {
	v, err := claims(raw)
	if err != nil {
		return platform.Info{}, err
	}
	return platform.Info{
		Kind: kind, Debug: v.Debug, Measurement: v.Measurement, Signer: v.Signer, Product: v.ProductID, SVN: v.SVN,
	}, nil
}

// TEE returns the kind of hardware that a quote is of (quote.TEESGX, ...).
func TEE(raw []byte) (string, error) {
	v, err := claims(raw)
	return v.TEE, err
}

func claims(raw []byte) (quote.Verdict, error) {
	v, err := quote.Claims(raw)
	if err != nil {
		return quote.Verdict{}, fmt.Errorf("the platform's own quote: %w", err)
	}
	return v, nil
}

// Check makes sure that a quote is about reportData, so that a mix-up between two
// callers is noticed where it happens.
func Check(raw []byte, reportData [64]byte) error {
	got, err := ReportData(raw)
	if err == nil && got != reportData {
		err = platform.ErrOtherReport
	}
	return err
}
