package daemon

import (
	"fmt"
	"slices"

	"github.com/scbr/scbr/enclave/devinit"
	"github.com/scbr/scbr/enclave/platform"
	"github.com/scbr/scbr/enclave/platform/ego"
	"github.com/scbr/scbr/enclave/platform/evidence"
	"github.com/scbr/scbr/enclave/platform/gramine"
	"github.com/scbr/scbr/enclave/platform/sim"
	"github.com/scbr/scbr/enclave/platform/tsm"
)

// PlatformAuto is the value of --platform that has enclaved find out on which
// hardware it runs. The kinds are the others that are not a directory.
const PlatformAuto = "auto"

const kindGuest = "tsm" // TDX or SEV-SNP: the guest's kernel knows which

// hardware lists the platforms that make quotes in hardware.
func hardware() []platform.Candidate {
	return []platform.Candidate{
		{Name: platform.KindEGo, Open: opener(ego.Open), ReportData: evidence.ReportData},
		{Name: platform.KindGramine, Open: opener(func() (*gramine.Platform, error) { return gramine.Open(gramine.Directory) }), ReportData: evidence.ReportData},
		{Name: kindGuest, Open: opener(func() (*tsm.Platform, error) { return tsm.Open(tsm.Directory) }), ReportData: evidence.ReportData},
	}
}

// opener makes a nil platform of a failure, not an interface that holds one.
func opener[P platform.Platform](open func() (P, error)) func() (platform.Platform, error) {
	return func() (platform.Platform, error) {
		p, err := open()
		if err != nil {
			return nil, err
		}
		return p, nil
	}
}

// openPlatform makes the platform that --platform names: a kind of hardware, any
// kind (auto), or the directory of a simulated one.
func openPlatform(name string) (platform.Platform, error) {
	candidates := hardware()
	if name != PlatformAuto {
		candidates = slices.DeleteFunc(candidates, func(c platform.Candidate) bool { return c.Name != name })
	}
	if len(candidates) > 0 {
		return platform.Detect(candidates, nil)
	}
	files, err := devinit.ReadPlatform(name)
	if err != nil {
		return nil, err
	}
	measurement, err := Measure()
	if err != nil {
		return nil, fmt.Errorf("measure: %w", err)
	}
	return sim.Load(files, sim.Config{Measurement: measurement})
}
