package sim

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/scbr/scbr/enclave/platform"
)

// Labels: a root for signer and product out of the attestation key, seal keys out of
// that. Whoever reads the files of a simulated platform has all of them.
const (
	sealRootLabel = "scbr/sim/seal-root/v1"
	sealLabel     = "scbr/sim/seal/v1"
)

// NewSealKey implements platform.Sealer.
func (p *Platform) NewSealKey() (key, info []byte, err error) {
	info = platform.NewSealInfo()
	key, err = p.SealKey(info)
	return key, info, err
}

// SealKey implements platform.Sealer. The key follows from the platform's files and
// the enclave's signer and product, as on SGX.
func (p *Platform) SealKey(info []byte) ([]byte, error) {
	secret, err := p.key.Bytes()
	if err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	defer clear(secret)
	who := fmt.Sprintf("%s/%x/%d", sealRootLabel, p.cfg.Signer, p.cfg.Product)
	root, err := hkdf.Key(sha256.New, secret, nil, who, platform.SealKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	return platform.DeriveSealKey(root, sealLabel, info)
}

var _ platform.Sealer = (*Platform)(nil)
