//! Encrypted private keys: PKCS #8 (RFC 5958, RFC 8018), and OpenSSL's older format with a `DEK-Info` header.

use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use md5::{Digest, Md5};
use pkcs8::EncryptedPrivateKeyInfoRef;

use super::der::{Elements, tag};
use super::error::TlsErrorKind;

/// Decrypts the contents of an `ENCRYPTED PRIVATE KEY` block. Returns a PKCS #8 key.
pub(super) fn decrypt_pkcs8(contents: &[u8], password: Option<&str>) -> Result<Vec<u8>, TlsErrorKind> {
    let Ok(encrypted) = EncryptedPrivateKeyInfoRef::try_from(contents) else {
        return Err(TlsErrorKind::UnsupportedEncryption);
    };
    let password = password.ok_or(TlsErrorKind::PasswordNeeded)?;
    match encrypted.encryption_algorithm.decrypt(password, encrypted.encrypted_data.as_bytes()) {
        // For about one in 256 wrong passwords, the padding happens to be valid, but the decrypted bytes are almost
        // never valid DER.
        Ok(key) if is_sequence(&key) => Ok(key),
        Ok(_) | Err(pkcs8::pkcs5::Error::DecryptFailed) => Err(TlsErrorKind::WrongPassword),
        Err(_) => Err(TlsErrorKind::UnsupportedEncryption),
    }
}

/// Decrypts the contents of a block with a `DEK-Info: CIPHER,IV` header. Returns a key in the format that the label of
/// the block states.
pub(super) fn decrypt_legacy(contents: &[u8], info: &str, password: Option<&str>) -> Result<Vec<u8>, TlsErrorKind> {
    let (cipher, iv) = info.split_once(',').ok_or(TlsErrorKind::PrivateKey)?;
    let iv = hex(iv.trim()).ok_or(TlsErrorKind::PrivateKey)?;
    let decrypt = match cipher.trim() {
        "AES-128-CBC" => cbc::<Decryptor<aes::Aes128>>,
        "AES-192-CBC" => cbc::<Decryptor<aes::Aes192>>,
        "AES-256-CBC" => cbc::<Decryptor<aes::Aes256>>,
        "DES-EDE3-CBC" => cbc::<Decryptor<des::TdesEde3>>,
        _ => return Err(TlsErrorKind::UnsupportedEncryption),
    };
    let password = password.ok_or(TlsErrorKind::PasswordNeeded)?;
    decrypt(password.as_bytes(), &iv, contents).filter(|key| is_sequence(key)).ok_or(TlsErrorKind::WrongPassword)
}

/// Decrypts bytes with the key that OpenSSL derives from the password: one round of MD5, with the first 8 bytes of the
/// initialization vector as the salt (`EVP_BytesToKey`). `None` if the padding is wrong.
fn cbc<D: KeyIvInit + BlockModeDecrypt>(password: &[u8], iv: &[u8], contents: &[u8]) -> Option<Vec<u8>> {
    let salt = iv.get(..8)?;
    let mut key: Vec<u8> = Vec::new();
    while key.len() < D::key_size() {
        let last_digest = key.len().saturating_sub(16);
        let digest = Md5::new().chain_update(&key[last_digest..]).chain_update(password).chain_update(salt).finalize();
        key.extend_from_slice(&digest);
    }
    let decryptor = D::new_from_slices(&key[..D::key_size()], iv).ok()?;
    decryptor.decrypt_padded_vec::<Pkcs7>(contents).ok()
}

/// True if the bytes are exactly one DER sequence, which is the form of every private key.
fn is_sequence(bytes: &[u8]) -> bool {
    Elements(bytes).next().is_some_and(|element| element.tag == tag::SEQUENCE && element.whole.len() == bytes.len())
}

/// Decodes pairs of hexadecimal digits. `None` if their number is odd, or if a pair is not a number.
fn hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
