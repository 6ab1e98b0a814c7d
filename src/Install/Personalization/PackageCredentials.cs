using System.Text;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Personalization;

/// <summary>User and password for the server of a personalization package, or of the data of disks (HTTP Basic, RFC 7617).</summary>
public sealed class PackageCredentials : IDisposable
{
    private const int MaxUser = 256;

    /// <summary>Takes the password over.</summary>
    /// <param name="user">1 to 256 characters without a colon.</param>
    /// <param name="password">Belongs to this from now on.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: a user that is not allowed. The password is wiped then.</exception>
    public PackageCredentials(string user, SecretValue password)
    {
        ArgumentNullException.ThrowIfNull(user);
        ArgumentNullException.ThrowIfNull(password);
        if (user.Length is 0 or > MaxUser || user.Contains(':', StringComparison.Ordinal) || user.Any(char.IsControl))
        {
            password.Dispose();
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the user for a server has 1 to {MaxUser} characters, no colon and no control character among them");
        }

        (User, Password) = (user, password);
    }

    /// <summary>The user.</summary>
    public string User { get; }

    internal SecretValue Password { get; }

    /// <summary>The value of the Authorization header, to be disposed of.</summary>
    internal SecretValue ToHeader()
    {
        using var plain = SecretValue.Join(Encoding.UTF8.GetBytes(User + ":"), Password.Memory);
        using var encoded = SecretValue.OfLength(System.Buffers.Text.Base64.GetMaxEncodedToUtf8Length(plain.Length));
        System.Buffers.Text.Base64.EncodeToUtf8(plain.GetSpan(), encoded.GetSpan(), out _, out var length);
        return SecretValue.Join("Basic "u8.ToArray(), encoded.Memory[..length]);
    }

    /// <summary>Wipes the password.</summary>
    public void Dispose() => Password.Dispose();

    /// <summary>Says nothing of them.</summary>
    public override string ToString() => "<redacted>";
}
