using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>
/// What tells the agent on QEMU's user network from every other process of its guest: bytes that host and agent know, and that
/// only root of the guest can read. The agent says them first on each of its connections.
/// </summary>
public sealed class UserNetToken : IDisposable
{
    /// <summary>Bytes of a token.</summary>
    public const int Length = 32;

    /// <summary>The name that QEMU gives a token to the guest by: <c>-fw_cfg name=NAME,file=PATH</c>.</summary>
    public const string FirmwareName = "opt/org.channelsdk/token";

    /// <summary>Bytes that stand before the first HELLO of a connection.</summary>
    internal const int PrefaceLength = 8 + Length;

    private readonly SecretPages _pages = new(Length);

    private UserNetToken()
    {
    }

    /// <summary>What a preface begins with.</summary>
    internal static ReadOnlySpan<byte> Mark => "CHTOKEN\u0001"u8;

    /// <summary>Makes a new, random token in a file that only this user can read.</summary>
    /// <param name="path">Path of the file, which must not be there.</param>
    /// <exception cref="ChannelException">The file cannot be made or written; the text says why.</exception>
    public static unsafe UserNetToken Create(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var token = new UserNetToken();
        KernelRandom.FillSecret(token._pages.Bytes);
        using var file = new SafeFd(Libc.Open(path, Linux.O_WRONLY_CREATE_NEW | Linux.O_NOFOLLOW | Linux.O_CLOEXEC, 0x180));
        if (file.IsInvalid)
        {
            throw Errno.ToException(Errno.Last, "make the token file", path);
        }
        return Libc.Write(file, token._pages.Start, Length) == Length ? token
            : throw Errno.ToException(Errno.Last, "write the token file", path);
    }

    /// <summary>Reads the token of a file, which must be of this user or root and closed to everybody else.</summary>
    /// <param name="path">Path of the file.</param>
    /// <exception cref="ChannelException">
    /// EndpointMissing or EndpointDenied: it is not there, or cannot be read; BadConfiguration: it is no token, or others can read it.
    /// </exception>
    public static UserNetToken Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        return TryRead(path, out int errno) ?? throw Errno.ToException(errno, "read the token file", path);
    }

    /// <summary>Listens for a guest whose agent has this token; connections without it are dropped.</summary>
    /// <param name="socketPath">Absolute path of the Unix socket that <c>channel-forward</c> hands connections to, at most 107 bytes.</param>
    /// <returns>As <c>usernet://PATH?token-file=FILE</c>; nothing is opened before its first OpenAsync.</returns>
    public ITransportEndpoint Listen(string socketPath)
    {
        ArgumentNullException.ThrowIfNull(socketPath);
        return LinkLocalSchemes.OnUserNet($"{LinkLocalSchemes.UserNet}://{socketPath}", socketPath, () => this);
    }

    /// <summary>Reads a token; null and the errno if the file cannot be opened.</summary>
    internal static unsafe UserNetToken? TryRead(string path, out int errno)
    {
        errno = 0;
        using var file = new SafeFd(Libc.Open(path, Linux.O_NONBLOCK | Linux.O_NOCTTY | Linux.O_CLOEXEC, 0));
        if (file.IsInvalid)
        {
            errno = Errno.Last;
            return null;
        }
        StatxResult found = default;
        if (Libc.Statx((int)file.DangerousGetHandle(), "", Linux.AT_EMPTY_PATH, Linux.STATX_TYPE_MODE_INO | Linux.STATX_UID, &found) != 0
            || (found.Mode & Linux.S_IFMT) != Linux.S_IFREG)
        {
            throw Bad(path, "it is no file");
        }
        if ((found.Mode & Linux.S_IRWXGO) != 0 || (found.UserId != 0 && found.UserId != Libc.GetEUid()))
        {
            throw Bad(path, "others can read it; chown root and chmod 600 make it secret");
        }
        var token = new UserNetToken();
        using var bytes = new SecretPages(Length + 1);
        if (Libc.Read(file, bytes.Start, Length + 1) != Length)
        {
            throw Bad(path, $"it has other than {Length} bytes; make one by 'head -c {Length} /dev/urandom'");
        }
        bytes.Bytes[..Length].CopyTo(token._pages.Bytes);
        return token;
    }

    /// <summary>Writes the preface.</summary>
    /// <param name="target">Of <see cref="PrefaceLength"/> bytes.</param>
    internal void WritePreface(Span<byte> target)
    {
        Mark.CopyTo(target);
        _pages.Bytes.CopyTo(target[Mark.Length..]);
        GC.KeepAlive(this);
    }

    /// <summary>Whether a preface has this token. Takes as long for every wrong one.</summary>
    internal bool IsIn(ReadOnlySpan<byte> untrusted)
    {
        bool isHeld = false;
        try
        {
            // It may be disposed of meanwhile.
            _pages.DangerousAddRef(ref isHeld);
            int different = untrusted.StartsWith(Mark) ? 0 : 1;
            ReadOnlySpan<byte> said = untrusted.Slice(Mark.Length, Length);
            Span<byte> mine = _pages.Bytes;
            for (int i = 0; i < Length; i++)
            {
                different |= said[i] ^ mine[i];
            }
            return different == 0;
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
        finally
        {
            if (isHeld)
            {
                _pages.DangerousRelease();
            }
        }
    }

    /// <summary>Overwrites it. Endpoints that listen for it take nobody from then on.</summary>
    public void Dispose() => _pages.Dispose();

    private static ChannelException Bad(string path, string why) =>
        new(ChannelError.BadConfiguration, ErrorClass.Refused, $"The token file {path} cannot be used: {why}.");
}
