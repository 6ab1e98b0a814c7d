using System.Globalization;
using System.Text;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Vsock.Hybrid;

/// <summary>
/// The lines of a hybrid vsock socket (Firecracker, "docs/vsock.md"): <c>CONNECT port</c>, answered by <c>OK port</c>.
/// Bytes behind the line's end belong to the stream, so a line is read byte by byte.
/// </summary>
internal static class HybridHandshake
{
    /// <summary>How long either side may take for its line.</summary>
    internal static readonly TimeSpan Timeout = TimeSpan.FromSeconds(4);

    /// <summary>The longest line: the word, a blank, ten digits, and room for a carriage return.</summary>
    private const int MaxLine = 32;

    /// <summary>The number behind the word in the next line.</summary>
    /// <returns>Null if the other side has gone before the line's end.</returns>
    /// <exception cref="FormatException">The line is too long or another one.</exception>
    internal static async ValueTask<uint?> ReadAsync(ITransportLink link, string word)
    {
        var line = new byte[MaxLine];
        for (var length = 0; length < MaxLine; length++)
        {
            if (await link.ReceiveAsync(line.AsMemory(length, 1)).ConfigureAwait(false) == 0)
            {
                return null;
            }

            if (line[length] == '\n')
            {
                return Parse(Encoding.ASCII.GetString(line, 0, length).TrimEnd('\r'), word);
            }
        }

        throw new FormatException($"a line of more than {MaxLine} bytes");
    }

    /// <summary>Writes a line.</summary>
    internal static async ValueTask WriteAsync(ITransportLink link, string word, uint port)
    {
        ReadOnlyMemory<byte> line = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{word} {port}\n"));
        while (!line.IsEmpty)
        {
            line = line[await link.SendAsync(line).ConfigureAwait(false)..];
        }
    }

    /// <summary>Ends a link that takes too long, which ends the operation that waits on it.</summary>
    internal static async Task<T> LimitAsync<T>(ITransportLink link, Task<T> operation, CancellationToken cancellationToken)
    {
        try
        {
            return await operation.WaitAsync(Timeout, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            link.Abort();
            throw;
        }
    }

    private static uint Parse(string line, string word)
    {
        var parts = line.Split(' ');
        return parts.Length == 2 && string.Equals(parts[0], word, StringComparison.OrdinalIgnoreCase)
            && uint.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            ? port
            : throw new FormatException($"a line that is not '{word} PORT'");
    }

    internal static ChannelException Missing(string uri, string what) => new(
        ChannelError.EndpointMissing, ErrorClass.Retry, $"cannot dial {uri}: {what}");
}
