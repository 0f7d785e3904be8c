package main

import (
	"fmt"

	"github.com/scbr/scbr/bench/epcbench/measure"
)

// published is what others measured of SGX.
const published = `published: a page swap of SGX costs about 40,000 cycles, 12 us at 3.4 GHz (Taassori, Shafiee, Balasubramonian: VAULT, ASPLOS 2018)`

// costs says what a fault costs here, beside what it costs on hardware.
func costs(s *measure.Session) string {
	switch s.Source() {
	case measure.FromPager:
		return fmt.Sprintf("a fault of the simulated EPC that evicts a page and loads one costs %.1f us here, the median of three rounds\n%s", s.FaultCostUs(), published)
	case measure.FromReal:
		return "memory is an enclave's own: times only, no limits and no counts\n" + published
	default:
		return fmt.Sprintf("a fault of the model costs %.1f us, as stated\n%s", s.FaultCostUs(), published)
	}
}
