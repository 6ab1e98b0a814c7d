using ChannelSdk.Channels;
using ChannelSdk.Protocol.Options;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.Services.Files;

/// <summary>The methods of the files service (files.proto).</summary>
public static class FilesMethods
{
    /// <summary>files.Stat: what a file is. Links are told of, not followed.</summary>
    public static RpcMethod<FileStatRequest, FileStat> Stat { get; } = new("files.Stat", StreamClass.Rpc, permission: Permissions.ReadFiles);

    /// <summary>files.List: the entries of a folder, in <see cref="FileList"/> messages.</summary>
    public static StreamMethod<FileListRequest> List { get; } = new("files.List", StreamClass.Rpc, permission: Permissions.ReadFiles);

    /// <summary>files.Read: a <see cref="FileStat"/>, then the content in <see cref="FileRecord"/> messages.</summary>
    public static StreamMethod<FileReadRequest> Read { get; } = new("files.Read", StreamClass.Bulk, permission: Permissions.ReadFiles);

    /// <summary>
    /// files.Write: the guest sends a <see cref="FileWriteReady"/>, the host the content in <see cref="FileRecord"/>
    /// messages, the guest a <see cref="FileWriteReport"/>.
    /// </summary>
    public static StreamMethod<FileWriteRequest> Write { get; } = new("files.Write", StreamClass.Bulk, isPrivileged: true, permission: Permissions.WriteFiles);
}
