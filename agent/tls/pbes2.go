package tls

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
)

// iterations of PBKDF2 for new keys: OWASP's figure for HMAC-SHA-256 (2023),
// about a tenth of a second. maxIterations bounds those of a file.
const (
	iterations    = 600_000
	maxIterations = 20_000_000
)

// Object identifiers of PKCS#5 (RFC 8018) with the algorithms that openssl
// takes by itself: PBKDF2 with HMAC-SHA-256, AES-256-CBC.
var (
	oidPBES2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidSHA256    = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidAES256CBC = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

// encryptedKey is EncryptedPrivateKeyInfo of RFC 5958.
type encryptedKey struct {
	Algorithm struct {
		OID        asn1.ObjectIdentifier
		Parameters pbes2Parameters
	}
	Data []byte
}

type pbes2Parameters struct {
	KDF struct {
		OID        asn1.ObjectIdentifier
		Parameters pbkdf2Parameters
	}
	Cipher struct {
		OID asn1.ObjectIdentifier
		IV  []byte
	}
}

type pbkdf2Parameters struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

// encrypt returns the PKCS#8 key as EncryptedPrivateKeyInfo.
func encrypt(der, passphrase []byte, rounds int) ([]byte, error) {
	salt, iv := make([]byte, 16), make([]byte, aes.BlockSize)
	// crypto/rand.Read never fails (Go 1.24).
	_, _ = rand.Read(salt)
	_, _ = rand.Read(iv)
	block, err := cipherOf(passphrase, salt, rounds)
	if err != nil {
		return nil, err
	}
	n := aes.BlockSize - len(der)%aes.BlockSize
	data := append([]byte{}, der...)
	for range n {
		data = append(data, byte(n))
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)
	e := encryptedKey{Data: data}
	e.Algorithm.OID = oidPBES2
	p := &e.Algorithm.Parameters
	p.KDF.OID = oidPBKDF2
	p.KDF.Parameters = pbkdf2Parameters{Salt: salt, Iterations: rounds,
		PRF: pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}}
	p.Cipher.OID, p.Cipher.IV = oidAES256CBC, iv
	return asn1.Marshal(e)
}

// decrypt reads what encrypt or openssl wrote.
func decrypt(text, passphrase []byte) ([]byte, error) {
	var e encryptedKey
	if rest, err := asn1.Unmarshal(text, &e); err != nil || len(rest) > 0 {
		return nil, errors.New("it is damaged, or not encrypted with PBES2 and AES-256-CBC, which openssl pkcs8 -topk8 takes by itself")
	}
	p := e.Algorithm.Parameters
	k := p.KDF.Parameters
	switch {
	case !e.Algorithm.OID.Equal(oidPBES2), !p.KDF.OID.Equal(oidPBKDF2), !k.PRF.Algorithm.Equal(oidSHA256), !p.Cipher.OID.Equal(oidAES256CBC):
		return nil, errors.New("it is not encrypted with PBKDF2-HMAC-SHA-256 and AES-256-CBC, which openssl pkcs8 -topk8 takes by itself")
	case k.Iterations < 1 || k.Iterations > maxIterations:
		return nil, fmt.Errorf("it is encrypted with %d rounds of PBKDF2; at most %d are accepted", k.Iterations, maxIterations)
	case len(p.Cipher.IV) != aes.BlockSize || len(e.Data) == 0 || len(e.Data)%aes.BlockSize != 0:
		return nil, errors.New("it is damaged")
	}
	block, err := cipherOf(passphrase, k.Salt, k.Iterations)
	if err != nil {
		return nil, err
	}
	data := append([]byte{}, e.Data...)
	cipher.NewCBCDecrypter(block, p.Cipher.IV).CryptBlocks(data, data)
	n := int(data[len(data)-1])
	if n < 1 || n > aes.BlockSize {
		return nil, ErrPassphrase
	}
	for _, b := range data[len(data)-n:] {
		if int(b) != n {
			return nil, ErrPassphrase
		}
	}
	return data[:len(data)-n], nil
}

func cipherOf(passphrase, salt []byte, rounds int) (cipher.Block, error) {
	key, err := pbkdf2.Key(sha256.New, string(passphrase), salt, rounds, 32)
	if err != nil {
		return nil, err
	}
	return aes.NewCipher(key)
}
