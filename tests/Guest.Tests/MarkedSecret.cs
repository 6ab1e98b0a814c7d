using System.Globalization;
using System.Security.Cryptography;
using ChannelSdk.Install.Secrets;

namespace ChannelSdk.Guest.Tests;

/// <summary>
/// A random secret that this process holds only with every bit turned, so that what a search of files and memory finds was
/// left by other code.
/// </summary>
internal sealed class MarkedSecret
{
    private const int Length = 24;
    private const int Piece = 1 << 20;
    private readonly byte[] _turned = new byte[Length];

    public MarkedSecret()
    {
        RandomNumberGenerator.Fill(_turned);
        for (var i = 0; i < Length; i++)
        {
            _turned[i] = (byte)~('a' + (_turned[i] % 26));
        }
    }

    /// <summary>The secret as the value of a parameter.</summary>
    public SecretParameters As(string parameter)
    {
        var secrets = new SecretParameters();
        secrets.Add(parameter, Value());
        return secrets;
    }

    /// <summary>The secret.</summary>
    public SecretValue Value()
    {
        Span<byte> plain = stackalloc byte[Length];
        Turn(_turned, plain);
        var value = SecretValue.CopyOf(plain);
        CryptographicOperations.ZeroMemory(plain);
        return value;
    }

    /// <summary>Whether it is in some bytes, which are turned by this.</summary>
    public bool IsIn(Span<byte> bytes)
    {
        Turn(bytes, bytes);
        return bytes.IndexOf(_turned) >= 0;
    }

    /// <summary>The areas of this process's memory that it is in (proc(5), /proc/self/mem).</summary>
    public List<string> FindInMemory()
    {
        var result = new List<string>();
        var buffer = new byte[Piece];
        using var memory = File.OpenHandle("/proc/self/mem");
        foreach (var line in File.ReadAllLines("/proc/self/maps").Where(l => l.Contains(" rw", StringComparison.Ordinal)))
        {
            var range = line.Split(' ')[0].Split('-').Select(n => long.Parse(n, NumberStyles.HexNumber, CultureInfo.InvariantCulture)).ToArray();
            for (var at = range[0]; at < range[1]; at += Piece - Length)
            {
                if (Read(memory, buffer.AsSpan(0, (int)Math.Min(Piece, range[1] - at)), at) is var count && IsIn(buffer.AsSpan(0, count)))
                {
                    result.Add($"{line} at {at:x}");
                }
            }
        }

        return result;
    }

    private static int Read(Microsoft.Win32.SafeHandles.SafeFileHandle memory, Span<byte> buffer, long at)
    {
        try
        {
            return RandomAccess.Read(memory, buffer, at);
        }
        catch (IOException)
        {
            // An area that cannot be read, or has gone meanwhile.
            return 0;
        }
    }

    private static void Turn(ReadOnlySpan<byte> from, Span<byte> to)
    {
        for (var i = 0; i < from.Length; i++)
        {
            to[i] = (byte)~from[i];
        }
    }
}
