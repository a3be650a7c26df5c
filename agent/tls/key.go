package tls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// The types of PEM blocks.
const (
	pemCertificate  = "CERTIFICATE"
	pemKey          = "PRIVATE KEY"
	pemEncryptedKey = "ENCRYPTED PRIVATE KEY"
)

// ErrPassphrase is the error if a key cannot be decrypted with the passphrase.
var ErrPassphrase = errors.New("the passphrase is wrong")

// Passphrase returns the passphrase of the authority's keys. It is called only
// if a key is encrypted.
type Passphrase func() ([]byte, error)

// newKey returns a new key. Every key is ECDSA P-256: all clients of Docker
// know it, and a handshake costs little.
func newKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// encodeKey returns the key as PKCS#8 in PEM, encrypted if there is a passphrase.
func encodeKey(key *ecdsa.PrivateKey, passphrase []byte) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	kind := pemKey
	if len(passphrase) > 0 {
		kind = pemEncryptedKey
		if der, err = encrypt(der, passphrase, iterations); err != nil {
			return nil, err
		}
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), nil
}

// decodeKey reads what encodeKey wrote.
func decodeKey(text []byte, passphrase Passphrase) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("it holds no key in PEM")
	}
	der := block.Bytes
	if block.Type == pemEncryptedKey {
		if passphrase == nil {
			return nil, errors.New("it is encrypted, and there is no passphrase")
		}
		secret, err := passphrase()
		if err != nil {
			return nil, err
		}
		if der, err = decrypt(der, secret); err != nil {
			return nil, err
		}
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil && block.Type == pemEncryptedKey {
		return nil, ErrPassphrase // a wrong one passes the check of the padding once in 256 times
	}
	if err != nil {
		return nil, fmt.Errorf("it is no PKCS#8 key: %w", err)
	}
	if key, ok := key.(*ecdsa.PrivateKey); ok {
		return key, nil
	}
	return nil, fmt.Errorf("it is a %T; keys of this folder are ECDSA", key)
}

// encodeCertificates returns the certificates in PEM.
func encodeCertificates(all ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range all {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: c.Raw}))
	}
	return b.Bytes()
}

// decodeCertificates reads every certificate of a PEM file; it errors if there
// is none.
func decodeCertificates(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != pemCertificate {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("it holds no certificate in PEM")
	}
	return all, nil
}
