namespace ChannelSdk.Install.Data;

/// <summary>The data of one disk that was moved as a whole, as the script wrote or read it. Both ends have found the same.</summary>
/// <param name="Disk">Which disk, from 0.</param>
/// <param name="Bytes">How many bytes.</param>
/// <param name="Sha256">Their SHA-256, 64 hexadecimal digits.</param>
public sealed record MovedData(int Disk, long Bytes, string Sha256);
