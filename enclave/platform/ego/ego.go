//go:build ego

package ego

import "github.com/edgelesssys/ego/enclave"

// Open makes a quote, to learn who this enclave is.
func Open() (*Platform, error) { return open(egoRuntime{}) }

type egoRuntime struct{}

func (egoRuntime) report(data []byte) ([]byte, error) { return enclave.GetRemoteReport(data) }

func (egoRuntime) newSealKey() (key, info []byte, err error) {
	return enclave.GetRandomProductSealKey()
}

func (egoRuntime) sealKey(info []byte) ([]byte, error) { return enclave.GetSealKey(info) }
