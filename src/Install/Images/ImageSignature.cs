using System.Globalization;
using System.Text;
using ChannelSdk.Host.Files;
using ChannelSdk.Install.Definitions;
using ChannelSdk.Install.Processes;
using ChannelSdk.Install.Records;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Protocol.Text;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Install.Images;

/// <summary>Checks a detached OpenPGP signature by gpgv, which knows no keys but those of one keyring.</summary>
internal static class ImageSignature
{
    private const string Program = "gpgv";
    private const int MaxWords = 16 << 10;
    private const int MaxShown = 256;

    /// <summary>Checks the signature of a file.</summary>
    /// <param name="options">The signature and the keyring.</param>
    /// <param name="content">Path of the file.</param>
    /// <param name="operation">Name of the operation.</param>
    /// <param name="folder">Where gpgv begins; made here.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.PermissionDenied"/>: it is no good signature by one of the keys. <see cref="ChannelError.BadConfiguration"/>: gpgv or a file is missing, or others can change the keyring.</exception>
    public static async Task RequireAsync(ImageRules options, string content, string operation, string folder, CancellationToken cancellationToken)
    {
        PrivateFolder.Ensure(folder);
        var path = ProcessSpawn.SearchPath.Split(':').Select(static place => Path.Combine(place, Program)).FirstOrDefault(File.Exists)
            ?? throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"this host has no {Program}, which checks the signature of an image; install the package {Program}");
        using var program = new SourceFile(LocalFile.OpenRegular(path), path);
        using var signature = LocalFile.OpenRegular(options.Signature!);
        using var keyring = LocalFile.OpenRegular(options.Keyring!);
        TrustedOwner.Require(keyring, options.Keyring!, "it says whose images are installed");
        var said = new MemoryStream();
        var streams = new HostStreams(static _ => { }, bytes => said.Write(bytes.Span[..(int)Math.Min(bytes.Length, MaxWords - said.Length)]));
        byte[][] environment = [.. new[] { $"{OperationProcesses.ScriptVariable}={operation}", $"PATH={ProcessSpawn.SearchPath}", $"HOME={folder}", "LC_ALL=C" }.Select(Encoding.UTF8.GetBytes)];
        var process = HostProcess.Start(program, ["--keyring", PathOf(keyring), PathOf(signature), content], environment, folder, operation, streams);
        ScriptEnded end;
        try
        {
            end = await process.End.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await process.DisposeAsync().ConfigureAwait(false);
        }

        if (end is not { Code: 0, Signal: 0 })
        {
            var words = Encoding.UTF8.GetString(said.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries).LastOrDefault() ?? "it says nothing";
            throw new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused, $"the signature {options.Signature} of the image or its sums is not good by the keys of {options.Keyring}: {SafeText.Escape(words, MaxShown)}");
        }
    }

    private static string PathOf(SafeFileHandle file) => string.Create(CultureInfo.InvariantCulture, $"/proc/{Environment.ProcessId}/fd/{(int)file.DangerousGetHandle()}");
}
