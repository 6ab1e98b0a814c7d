using System.Runtime.CompilerServices;
using ChannelSdk.Channels;
using ChannelSdk.Host.Connection;
using ChannelSdk.Host.Options;
using ChannelSdk.Host.Qga;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Files;
using Google.Protobuf;

namespace ChannelSdk.Host.Files;

/// <summary>
/// The guest's files. A call that the image's policy denies is refused with PermissionDenied and its reason. Symbolic links
/// are not followed: a path with one in it is refused.
/// </summary>
public sealed class FileClient
{
    private static readonly ByteString s_parent = ByteString.CopyFromUtf8("..");
    private readonly AgentConnection _connection;

    internal FileClient(AgentConnection connection) => _connection = connection;

    /// <summary>What a file is; a link at the path's end is told of. Every field is a claim of an untrusted party.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>, <see cref="ChannelError.PermissionDenied"/>, or the call failed.</exception>
    public async Task<FileStat> StatAsync(GuestPath path, CancellationToken cancellationToken = default) => FileStat.Of(
        await _connection.Channel.CallAsync(FilesMethods.Stat, new FileStatRequest { Path = path.Bytes }, new CallOptions(_connection.CallTimeout), cancellationToken).ConfigureAwait(false));

    /// <summary>The entries of a folder, in no order, as they come. Names are raw bytes of an untrusted party and may hold anything but / and zero.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.NotFound"/>, <see cref="ChannelError.PermissionDenied"/>, or the stream failed.</exception>
    public async IAsyncEnumerable<FileEntry> ListAsync(GuestPath path, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var stream = await _connection.Channel.OpenStreamAsync(FilesMethods.List, new FileListRequest { Path = path.Bytes }, new CallOptions(AnswerWithin: _connection.CallTimeout), cancellationToken).ConfigureAwait(false);
        await using var _ = stream.ConfigureAwait(false);
        while (true)
        {
            FileList list;
            using (var message = await stream.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                if (message.IsEnd)
                {
                    yield break;
                }

                list = GuestReply.Parse(FileList.Parser, message, $"the listing of {path}");
            }

            foreach (var entry in list.Entries)
            {
                if (entry.Name.IsEmpty || entry.Name.Span.ContainsAny((byte)'/', (byte)0) || entry.Name.Equals(s_parent))
                {
                    throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"the guest lists a name in {path} that no file can have");
                }

                yield return new FileEntry(entry.Name.ToByteArray(), GuestClaim.Value<FileKind>((int)entry.Kind));
            }
        }
    }

    /// <summary>
    /// Copies a file of the guest to this host: with its holes, into a file beside the destination that replaces it when
    /// all bytes are there and the hash is right. Continues after a cut link and after a lost session.
    /// </summary>
    /// <param name="source">In the guest.</param>
    /// <param name="destination">On this host; its folder must exist.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="progress">Told after each block, on the copy's own thread.</param>
    /// <param name="cancellationToken">Ends the copy; nothing of it is left.</param>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.NotFound"/>, <see cref="ChannelError.PermissionDenied"/>, <see cref="ChannelError.FailedPrecondition"/> (it changed, or the destination exists), <see cref="ChannelError.ResourceExhausted"/> (too large, or
    /// the disk is full), <see cref="ChannelError.CorruptFrame"/> (a hash is wrong), or the session was lost for longer than the options allow.
    /// </exception>
    /// <exception cref="ArgumentException">A path that no file can have, or an option that is not allowed.</exception>
    public async Task<FileCopyResult> CopyOutAsync(
        GuestPath source, string destination, FileCopyOptions? options = null, IProgress<FileProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        OptionCheck.Path(destination);
        options = Checked(options);
        if (_connection.Agent == AgentKind.QemuGuestAgent && (options.KeepMode || options.KeepOwner || options.KeepTime))
        {
            throw QgaErrors.Unavailable("tell a file's mode, owner or time");
        }

        using var copy = new CopyOut(_connection, source, destination, options, progress);
        return await copy.RunAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Copies a file of this host into the guest, as <see cref="CopyOutAsync"/> does the other way.</summary>
    /// <param name="source">On this host.</param>
    /// <param name="destination">In the guest; its folder must exist.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="progress">Told after each block was given to the channel, on the copy's own thread.</param>
    /// <param name="cancellationToken">Ends the copy; the guest removes what it has of it.</param>
    /// <exception cref="ChannelException">As for <see cref="CopyOutAsync"/>.</exception>
    public async Task<FileCopyResult> CopyInAsync(
        string source, GuestPath destination, FileCopyOptions? options = null, IProgress<FileProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        OptionCheck.Path(source);
        options = Checked(options);
        try
        {
            using var copy = new CopyIn(_connection, source, destination, options, progress);
            return await copy.RunAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw LocalFile.ToException(e, source);
        }
    }

    private static FileCopyOptions Checked(FileCopyOptions? options)
    {
        options ??= new FileCopyOptions();
        options.Validate();
        return options;
    }
}
