package sim

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/scbr/scbr/keyx/quote"
)

// Files of a simulated platform.
const (
	// FileRoot is the simulation root certificate (PEM), the only public file
	// that others need.
	FileRoot = "root.pem"
	// FileRootKey and FileIntermediateKey are the CA keys (PKCS #8, PEM), which sign
	// collateral.
	FileRootKey         = "root.key"
	FileIntermediateKey = "intermediate.key"
	// FileChain is the chain every quote carries: PCK, intermediate, root (PEM).
	FileChain = "pck_chain.pem"
	// FilePCKKey is the platform's certification key.
	FilePCKKey = "pck.key"
	// FileAttestationKey signs quotes.
	FileAttestationKey = "attestation.key"
	// FileQE is the quoting enclave's evidence: attestation key X || Y, report,
	// signature, authentication data.
	FileQE = "qe.bin"
)

const (
	pemCertificate = "CERTIFICATE"
	pemPrivateKey  = "PRIVATE KEY"

	// maxFileBytes bounds each file; the chain, the largest, has about 2,500.
	maxFileBytes = 16 << 10
)

// Files are the files of a simulated platform by base name (FileNames). Most hold
// private keys: keep them in a directory of mode 0700, each with mode 0600, and
// out of logs.
type Files map[string][]byte

// FileNames lists the names that a complete Files has.
func FileNames() []string {
	return []string{FileRoot, FileRootKey, FileIntermediateKey, FileChain, FilePCKKey, FileAttestationKey, FileQE}
}

// String hides the contents.
func (f Files) String() string { return "redacted" }

// GoString hides the contents.
func (f Files) GoString() string { return "redacted" }

// fileSet is what a Platform needs of its files.
type fileSet struct {
	root           *x509.Certificate
	chainPEM       []byte
	attestationKey *ecdsa.PrivateKey
	evidence       qeEvidence
	publisher      *publisher
}

func (m *machine) files() (Files, error) {
	var chain []byte
	for _, c := range m.certs {
		chain = append(chain, certificatePEM(c.Raw)...)
	}
	f := Files{
		FileRoot:  certificatePEM(m.certs[2].Raw),
		FileChain: chain,
		FileQE:    m.evidence.marshal(),
	}
	for i, name := range [keyCount]string{FileRootKey, FileIntermediateKey, FilePCKKey, FileAttestationKey} {
		der, err := x509.MarshalPKCS8PrivateKey(m.keys[i])
		if err != nil {
			return nil, err
		}
		f[name] = pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: der})
	}
	return f, nil
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der})
}

// parseFiles reads the files and sees that they belong together, so that a mixed
// directory fails here and not at some client.
func parseFiles(f Files) (*fileSet, error) {
	for _, name := range FileNames() {
		if b, ok := f[name]; !ok || len(b) == 0 {
			return nil, fmt.Errorf("sim: %s is missing", name)
		} else if len(b) > maxFileBytes {
			return nil, fmt.Errorf("sim: %s has more than %d bytes", name, maxFileBytes)
		}
	}
	root, err := parseRoot(f[FileRoot])
	if err != nil {
		return nil, fmt.Errorf("sim: %s: %w", FileRoot, err)
	}
	if !bytes.HasSuffix(f[FileChain], f[FileRoot]) {
		return nil, fmt.Errorf("sim: %s does not end in the certificate of %s", FileChain, FileRoot)
	}
	key, err := parseKey(f[FileAttestationKey])
	if err != nil {
		return nil, fmt.Errorf("sim: %s: %w", FileAttestationKey, err)
	}
	e, err := parseEvidence(f[FileQE])
	if err != nil {
		return nil, fmt.Errorf("sim: %s: %w", FileQE, err)
	}
	if public, err := rawPublicKey(&key.PublicKey); err != nil || public != e.attestationKey {
		return nil, fmt.Errorf("sim: %s is not the key of %s", FileAttestationKey, FileQE)
	}
	p, err := parsePublisher(f)
	if err != nil {
		return nil, err
	}
	set := fileSet{root: root, chainPEM: bytes.Clone(f[FileChain]), attestationKey: key, evidence: e, publisher: p}
	return &set, nil
}

// parsePublisher reads what signs collateral.
func parsePublisher(f Files) (*publisher, error) {
	var chain [3]*x509.Certificate
	rest := f[FileChain]
	for i := range chain {
		block, tail := pem.Decode(rest)
		if block == nil {
			return nil, fmt.Errorf("sim: %s has not %d certificates", FileChain, len(chain))
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("sim: %s: %w", FileChain, err)
		}
		chain[i], rest = c, tail
	}
	var keys [3]*ecdsa.PrivateKey
	for i, name := range [...]string{FilePCKKey, FileIntermediateKey, FileRootKey} {
		key, err := parseKey(f[name])
		if err != nil {
			return nil, fmt.Errorf("sim: %s: %w", name, err)
		}
		if !key.PublicKey.Equal(chain[i].PublicKey) {
			return nil, fmt.Errorf("sim: %s is not the key of its certificate in %s", name, FileChain)
		}
		keys[i] = key
	}
	return newPublisher(chain, keys[2], keys[1], keys[0])
}

func parseRoot(b []byte) (*x509.Certificate, error) {
	der, err := decodePEM(b, pemCertificate)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if !quote.IsSimulationRoot(c) {
		return nil, errors.New("not a simulation root")
	}
	return c, nil
}

func parseKey(b []byte) (*ecdsa.PrivateKey, error) {
	der, err := decodePEM(b, pemPrivateKey)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("not a PKCS #8 key") // the cause may quote the key
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("not an ECDSA key")
	}
	return ec, nil
}

func decodePEM(b []byte, kind string) ([]byte, error) {
	block, rest := pem.Decode(b)
	if block == nil || block.Type != kind || len(rest) != 0 {
		return nil, fmt.Errorf("not one PEM block %q", kind)
	}
	return block.Bytes, nil
}
