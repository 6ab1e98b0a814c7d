using System.Globalization;
using System.Text;
using ChannelSdk.Install.Secrets;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Cli.Commands;

/// <summary>Where a secret or private value comes from: a file, standard input or an open descriptor; never the command line, which every user may read.</summary>
internal static class SecretSource
{
    public const string Help = "FILE, - for standard input, or fd:NUMBER";
    private const string DescriptorPrefix = "fd:";
    private const int LastStandard = 2;

    /// <summary>Reads a secret to its end.</summary>
    /// <exception cref="ChannelException">It cannot be read, is empty or too long.</exception>
    public static async Task<SecretValue> ReadAsync(string source, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = Open(source);
            return await SecretValue.ReadAsync(stream, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw Wrong($"the secret cannot be read: {FileFault.Describe(e)}", e);
        }
    }

    /// <summary>Reads a private value to its end; one line end at its end is left out, as of a secret. It may be empty.</summary>
    /// <param name="source">Where it is.</param>
    /// <param name="what">What it is, for errors.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="ChannelException">It cannot be read, is no text or too long.</exception>
    public static async Task<string> ReadTextAsync(string source, string what, CancellationToken cancellationToken)
    {
        var bytes = new byte[SecretValue.MaxBytes + 2];
        int length;
        try
        {
            await using var stream = Open(source);
            length = await stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw Wrong($"{what} cannot be read: {FileFault.Describe(e)}", e);
        }

        length -= length > 0 && bytes[length - 1] == '\n' ? 1 : 0;
        return length <= SecretValue.MaxBytes ? ToText(bytes.AsSpan(0, length), what)
            : throw Wrong($"{what} is longer than the {SecretValue.MaxBytes} bytes that it may have");
    }

    /// <summary>Bytes as the text that they are; none is replaced.</summary>
    /// <exception cref="ChannelException">They are no UTF-8.</exception>
    public static string ToText(ReadOnlySpan<byte> bytes, string what)
    {
        try
        {
            return new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw Wrong($"{what} is not valid UTF-8 at byte {e.Index}; write it as UTF-8");
        }
    }

    // Without a buffer, in which a copy would stay.
    private static Stream Open(string source) => source == "-" ? Console.OpenStandardInput()
        : source.StartsWith(DescriptorPrefix, StringComparison.Ordinal) && int.TryParse(source.AsSpan(DescriptorPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? OpenDescriptor(number)
            : new FileStream(source, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);

    private static FileStream OpenDescriptor(int number) => Descriptor.IsInherited(number)
        ? new FileStream(new SafeFileHandle(number, ownsHandle: number > LastStandard), FileAccess.Read, bufferSize: 0)
        : throw Wrong($"descriptor {number} was not given to this command; open it where the command is started, as by {number}<FILE, and note that sudo closes those above {LastStandard}");

    private static ChannelException Wrong(string text, Exception? inner = null) => new(ChannelError.BadConfiguration, ErrorClass.Refused, text, inner);
}
