using System.Globalization;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Cli.Commands;

/// <summary>Where a secret comes from: a file, standard input or an open descriptor; never the command line, which every user may read.</summary>
internal static class SecretSource
{
    public const string Help = "FILE, - for standard input, or fd:NUMBER";

    /// <summary>Reads it to its end.</summary>
    /// <exception cref="ChannelException">It cannot be read, is empty or too long.</exception>
    public static async Task<SecretValue> ReadAsync(string source, CancellationToken cancellationToken)
    {
        try
        {
            // Without a buffer, in which a copy would stay.
            await using var stream = source == "-" ? Console.OpenStandardInput()
                : source.StartsWith("fd:", StringComparison.Ordinal) && int.TryParse(source.AsSpan(3), CultureInfo.InvariantCulture, out var number)
                    ? new FileStream(new SafeFileHandle(number, ownsHandle: true), FileAccess.Read, bufferSize: 0)
                    : new FileStream(source, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            return await SecretValue.ReadAsync(stream, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the secret cannot be read: {FileFault.Describe(e)}", e);
        }
    }
}
